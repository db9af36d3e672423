"""The ``merflow`` command: one sub-command a job."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from merflow.cli import data, features, pipeline, runs, tracking
from merflow.cli.compare import compare
from merflow.cli.console import OUT, run
from merflow.cli.explain import explain
from merflow.cli.report import report
from merflow.cli.tune import tune
from merflow.contracts.protocols import NO_PROTOCOL


class _Commands(TyperGroup):
    """All commands; what Typer's own checks say of a value is put as merflow puts it."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer has no public name for the one
        """Runs the command, or says what is wrong with its arguments."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            if error.message.startswith("'none-paper' is not one of"):
                error.message = f"{error.message.rstrip('.')}; {NO_PROTOCOL}"
            raise


app = typer.Typer(
    name="merflow",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _say_version(asked: bool) -> None:
    if asked:
        from merflow.runs.provenance import merflow_version

        OUT.print(f"merflow {merflow_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which merflow this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """From a speech-emotion corpus to compared, tracked models."""


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
