"""Help of all commands, and errors about unknown commands and options."""

import json
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer

from merflow.cli.app import app
from merflow.contracts.published import IEMOCAP4, MOSEI, by_test
from merflow.presets.catalogue import presets, unavailable
from tests.cli.command import merflow, refused

VARIANT = "context-mmt:mmt-frozen"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from commands(child, (*path, name))


def test_every_command_shows_an_example_that_it_understands() -> None:
    seen = []
    for path, command in commands(typer.main.get_command(app)):
        said = merflow(*path, "--help", columns=300)
        assert said.code == 0
        example = re.search(r"Example: (merflow .*?)\s*$", said.out, flags=re.MULTILINE)
        assert example, path
        words = shlex.split(example[1])
        assert words[1 : len(path) + 1] == list(path)
        command.make_context("merflow", words[len(path) + 1 :])
        seen.append(" ".join(path))
    assert sorted(seen) == [
        "benchmark",
        "classics",
        "compare",
        "data fetch",
        "data index",
        "data lineage",
        "data peek",
        "data publish",
        "data pull",
        "data push",
        "data split",
        "data synthesize",
        "data transcribe",
        "data validate",
        "doctor",
        "evaluate",
        "explain",
        "export",
        "features extract",
        "features gc",
        "features ls",
        "features tiny",
        "features verify",
        "listen",
        "monitor",
        "pipeline cancel",
        "pipeline compile",
        "pipeline lint",
        "pipeline list",
        "pipeline logs",
        "pipeline profiles",
        "pipeline rehearse",
        "pipeline retry",
        "pipeline run",
        "pipeline schedule create",
        "pipeline schedule delete",
        "pipeline schedule disable",
        "pipeline schedule enable",
        "pipeline schedule list",
        "pipeline status",
        "pipeline submit",
        "pipeline wait",
        "plots",
        "predict",
        "presets",
        "registry approve",
        "registry audit",
        "registry deploy",
        "registry fetch",
        "registry list",
        "registry promote",
        "registry register",
        "registry rollback",
        "registry show",
        "report",
        "serve",
        "stress",
        "tracking sync",
        "train",
        "tune",
    ]


def test_with_json_standard_output_contains_nothing_else() -> None:
    said = merflow("presets", "--json")
    found = json.loads(said.out)
    assert (said.code, said.err, len(found)) == (0, "", len(presets()))
    assert found[0].keys() == {"model", "preset", "paper", "table", "inputs", "stages", "published"}
    assert found[0]["published"][0] == {
        **{"metric": "WA", "value": 66.15, "corpus": "iemocap4", "protocol": "session-5fold", "table": "1"},
        **{"inputs": "A", "uncertain": False, "note": ""},
    }


def test_the_list_of_presets_fits_eighty_columns_and_is_whole_in_a_pipe() -> None:
    lines = merflow("presets", columns=80).out.splitlines()
    found = [by_test(preset.published) for preset in presets().values()]
    tests = [max(1, sum(test.corpus == IEMOCAP4 for test in tests)) for tests in found]
    on_mosei = sum(test.corpus == MOSEI for tests in found for test in tests)
    unpublished = [preset for preset in presets().values() if not preset.published]
    caption, space_title_and_head = 2, 3
    assert on_mosei == 11
    remarks = len(unpublished) + len(unavailable())
    assert len(lines) == 1 + sum(tests) + caption + space_title_and_head + on_mosei + remarks
    assert "mfdr:residual is not a row of a table: ours" in lines
    start = next(index for index, line in enumerate(lines) if line.startswith("mfdr:full "))
    assert [line.split() for line in lines[start : start + 2]] == [
        ["mfdr:full", "A", "T", "1", "session-5fold", "75.7", "77.0"],
        ["1", "speaker-10fold", "78.4", "79.2"],
    ]
    head = next(index for index, line in enumerate(lines) if line.startswith("Sentiment on the official split")) + 1
    assert lines[head].split() == ["variant", "table", "F1", "non0", "ACC7", "ACC2", "non0"]
    assert lines[head + on_mosei].split() == ["mfdr:full", "2", "84.1", "53.7", "85.2"]
    assert lines[-1] == "foal-net:video-only-resnet-fer2013 is left out: its face network is not public"
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    narrow = merflow("presets", columns=40).out
    assert "context-mmt:wavlm-fc-finetuned" in narrow
    assert "…" not in narrow


def test_usage_errors_name_the_nearest_word_and_the_help() -> None:
    assert "No such command 'presetz'. Did you mean 'presets'?" in refused("presetz")
    said = refused("presets", "--jsn")
    assert "No such option: --jsn" in said
    assert "--json" in said
    assert "Try 'merflow presets --help' for help." in said
    assert "Missing option '--models'" in refused("benchmark", "--out", "x")
    said = refused("data", "split", "m", "--out", "s", "--protocol", "session5")
    assert "'session5' is not one of 'session-5fold', 'speaker-10fold', 'session5-only'" in said
    for option, value in (("--seed", "-1"), ("--workers", "0")):
        said = refused("benchmark", "--models", VARIANT, "--out", "x", option, value)
        assert f"Invalid value for '{option}'" in said
        assert "greater than or equal to" in said


@pytest.mark.parametrize(
    "command", [("benchmark", "--models", VARIANT, "--out", "x"), ("data", "split", "m", "--out", "s")]
)
def test_a_wrong_choice_is_reported_in_plain_words(command: tuple[str, ...]) -> None:
    said = refused(*command, "--protocol", "none-paper")
    assert "Value error" not in said
    assert "Invalid value for '--protocol': 'none-paper' is not one of 'session-5fold', " in said
    assert (
        "none-paper is not a protocol, but a way to choose the epoch: --set training.shadow_selection=none-paper"
        in " ".join(said.replace("│", " ").split())
    )


def test_the_version_is_reported() -> None:
    assert merflow("--version") == (0, f"merflow {version('merflow')}\n", "")


def test_the_help_of_train_says_how_to_name_a_seed() -> None:
    said = " ".join(merflow("train", "--help").out.replace("│", " ").split())
    assert "or with a seed MODEL:PRESET:FOLD:SEED" in said
