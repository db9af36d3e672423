"""Options that the commands for a cluster share, and ``merflow pipeline profiles``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import ERR, OUT, print_json, print_table
from merflow.cli.options import JsonOption
from merflow.contracts.terminal_table import lineless_table

if TYPE_CHECKING:  # commands import the rest when they run
    from merflow.submission.profiles import ClusterProfile
    from merflow.submission.server import Server

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, the beginning of an id, or a run's name.")
]


@dataclass(frozen=True)
class ClusterOptions:
    """The options that choose a cluster."""

    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="Use this cluster profile; `merflow pipeline profiles` lists them. "
            "[default: MERFLOW_PROFILE, else the default of the file]",
        ),
    ] = None
    host: Annotated[
        str | None, typer.Option("--host", help="Use the KFP at this address instead of the profile's.")
    ] = None
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Use this namespace instead of the profile's.")
    ] = None

    def chosen(self) -> "ClusterProfile":
        """Return the profile that the options choose, with their changes."""
        from merflow.submission.profiles import choose

        return choose(self.profile, host=self.host, namespace=self.namespace)[1]

    def server(self) -> "Server":
        """Return the server of the profile that the options choose; print problems with it to standard error."""
        from merflow.submission.server import Server

        return Server(self.chosen(), notice=lambda text: ERR.print(text, markup=False))


def profiles(as_json: JsonOption = False) -> None:
    """List the cluster profiles, and warn about files that others can read or change.

    Example: `merflow pipeline profiles`
    """
    from merflow.submission.profiles import config_file, read_profiles, warnings_of

    found = read_profiles(config_file())
    if as_json:
        print_json(
            {
                "file": str(found.path),
                "default": found.default,
                "profiles": {name: each.model_dump(exclude_none=True) for name, each in found.clusters.items()},
            }
        )
    else:
        table = lineless_table()
        for column in ("profile", "host", "namespace", "experiment", "login"):
            table.add_column(column, no_wrap=True)
        for name, each in found.clusters.items():
            mark = " (default)" if name == found.default else ""
            table.add_row(name + mark, each.host, each.namespace or "", each.experiment, each.auth)
        print_table(table)
        OUT.print(f"\n{found.path}", markup=False)
    for text in dict.fromkeys(text for each in found.clusters.values() for text in warnings_of(found.path, each)):
        ERR.print(f"warning: {text}", markup=False)
