"""The ``merflow`` command: one sub-command a job."""

import typer

from merflow.cli import data, features, pipeline, runs, tracking
from merflow.cli.compare import compare
from merflow.cli.console import run
from merflow.cli.explain import explain
from merflow.cli.report import report
from merflow.cli.tune import tune

app = typer.Typer(
    name="merflow",
    help="From a speech-emotion corpus to compared, tracked models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(data.app, name="data", help="Corpora: from a release to splits, their versions and what came of them.")
app.add_typer(features.app, name="features", help="Features: extract them, look after their store.")
app.add_typer(pipeline.app, name="pipeline", help="The same jobs as Kubeflow pipelines.")
app.add_typer(tracking.app, name="tracking", help="Runs in MLflow.")
app.command("presets")(runs.presets)
app.command("train")(runs.train)
app.command("evaluate")(runs.evaluate)
app.command("plots")(runs.plots)
app.command("benchmark")(runs.benchmark)
app.command("tune")(tune)
app.command("compare")(compare)
app.command("report")(report)
app.command("explain")(explain)


def main() -> None:
    """Entry point of the console script."""
    run(lambda: app(prog_name="merflow"))
