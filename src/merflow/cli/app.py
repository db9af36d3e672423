"""The ``merflow`` command: one subcommand per job."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from merflow.cli import benchmark, data, features, pipeline, registry, runs, tracking
from merflow.cli.classics import classics
from merflow.cli.compare import compare
from merflow.cli.console import OUT, run
from merflow.cli.deploy import deploy, fetch
from merflow.cli.doctor import doctor
from merflow.cli.explain import explain
from merflow.cli.export import export
from merflow.cli.listen import listen
from merflow.cli.monitor import monitor
from merflow.cli.predict import predict
from merflow.cli.report import report
from merflow.cli.serve import serve
from merflow.cli.stress import stress
from merflow.cli.tune import tune
from merflow.contracts.protocols import NO_PROTOCOL


class _Commands(TyperGroup):
    """All commands; errors of Typer's own checks are worded like merflow's."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer has no public name for the context
        """Run the command, or report what is wrong with its arguments."""
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


def _print_version(requested: bool) -> None:
    if requested:
        from merflow.runs.provenance import merflow_version

        OUT.print(f"merflow {merflow_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train, compare and track multimodal models of emotion in speech.

    Start with `merflow benchmark`, which runs everything from a corpus to a report. `merflow presets` lists the models.
    """


_WHOLE, _STEPS, _ELSEWHERE = "From a corpus to a report", "Single steps", "On a cluster and in MLflow"
_PROMOTE, _USE = "Promote", "Use a trained model"

app.command("benchmark", rich_help_panel=_WHOLE)(benchmark.benchmark)
app.command("presets", rich_help_panel=_WHOLE)(runs.presets)
app.command("report", rich_help_panel=_WHOLE)(report)
app.command("compare", rich_help_panel=_WHOLE)(compare)
app.command("explain", rich_help_panel=_WHOLE)(explain)
app.command("tune", rich_help_panel=_WHOLE)(tune)
app.add_typer(
    data.app, name="data", rich_help_panel=_STEPS, help="Prepare a corpus: read, check, split and version it."
)
app.add_typer(
    features.app,
    name="features",
    rich_help_panel=_STEPS,
    help="Extract features and manage the feature store.",
)
app.command("train", rich_help_panel=_STEPS)(runs.train)
app.command("classics", rich_help_panel=_STEPS)(classics)
app.command("evaluate", rich_help_panel=_STEPS)(runs.evaluate)
app.command("plots", rich_help_panel=_STEPS)(runs.plots)
app.command("predict", rich_help_panel=_USE)(predict)
app.command("listen", rich_help_panel=_USE)(listen)
app.command("serve", rich_help_panel=_USE)(serve)
app.command("export", rich_help_panel=_USE)(export)
app.command("monitor", rich_help_panel=_USE)(monitor)
app.command("stress", rich_help_panel=_PROMOTE)(stress)
app.add_typer(
    pipeline.app,
    name="pipeline",
    rich_help_panel=_ELSEWHERE,
    help="Compile pipelines, run them here, and submit them to a cluster.",
)
app.command("doctor", rich_help_panel=_ELSEWHERE)(doctor)
registry.app.command("deploy")(deploy)
registry.app.command("fetch")(fetch)
app.add_typer(
    registry.app,
    name="registry",
    rich_help_panel=_PROMOTE,
    help="Promote models in MLflow's registry, roll back, and read who did what.",
)
app.add_typer(tracking.app, name="tracking", rich_help_panel=_ELSEWHERE, help="Upload runs to MLflow.")


def main() -> None:
    """Run the command line; :mod:`merflow.__main__` calls it."""
    run(lambda: app(prog_name="merflow"))
