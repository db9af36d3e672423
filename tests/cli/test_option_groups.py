from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from merflow.cli.option_groups import with_groups


@dataclass(frozen=True)
class Place:
    """A group of two options."""

    city: Annotated[str, typer.Option(help="The city.")] = "Rome"
    floor: Annotated[int | None, typer.Option("--level", help="The floor.")] = None


@with_groups
def visit(
    person: Annotated[str, typer.Argument(help="The person.")],
    *,
    hour: Annotated[int, typer.Option(help="The hour.")] = 9,
    place: Place,
    quiet: Annotated[bool, typer.Option("--quiet", help="No greeting.")] = False,
) -> None:
    """Visit a person."""
    typer.echo(f"{person} {hour} {place} {quiet}")


def run(*words: str) -> str:
    app = typer.Typer()
    app.command()(visit)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_command_gets_its_groups_as_objects() -> None:
    assert run("Ann") == "Ann 9 Place(city='Rome', floor=None) False\n"
    assert run("Ann", "--level", "3", "--quiet", "--city", "Bonn") == "Ann 9 Place(city='Bonn', floor=3) True\n"


def test_the_options_of_a_group_stand_in_its_place_in_the_help() -> None:
    said = run("--help")
    assert "Visit a person." in said
    places = [said.index(word) for word in ("The person", "The hour", "The city", "The floor", "No greeting")]
    assert places == sorted(places)
