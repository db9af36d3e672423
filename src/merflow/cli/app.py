"""The ``merflow`` command: one sub-command a job."""

import typer

from merflow.cli import data, features, pipeline, runs
from merflow.cli.console import run
from merflow.cli.explain import explain
from merflow.cli.tune import tune

app = typer.Typer(
    name="merflow",
    help="From a speech-emotion corpus to compared, tracked models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(data.app, name="data", help="Corpora: generate, index, validate, transcribe, split, look at.")
app.add_typer(features.app, name="features", help="Features: extract them, look after their store.")
app.add_typer(pipeline.app, name="pipeline", help="The same jobs as Kubeflow pipelines.")
app.command("presets")(runs.presets)
app.command("train")(runs.train)
app.command("evaluate")(runs.evaluate)
app.command("benchmark")(runs.benchmark)
app.command("tune")(tune)
app.command("explain")(explain)


def main() -> None:
    """Entry point of the console script."""
    run(lambda: app(prog_name="merflow"))
