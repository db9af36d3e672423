"""Mistakes in a file of user presets are refused before anything is written, with file, variant and key."""

import re
from pathlib import Path

import pytest

from merflow.folds.presets import read_presets
from merflow.presets.catalogue import preset
from merflow.presets.profiles import shipped_profile, shipped_profiles
from tests.cli.command import merflow, refused

PAGE = Path(__file__).parents[2] / "docs" / "benchmark.md"
MINE = "gia-mic:mine"
GIVEN = ("--manifest", "m.parquet", "--splits", "s.parquet")
FEATURES = ("--features", "f.json")
COMMANDS = [
    ("presets",),
    ("benchmark", "--models", MINE, "--out", "out"),
    ("pipeline", "run", "benchmark", "--models", MINE, "--out", "out"),
    ("features", "extract", "m.parquet", "--models", MINE, "--store", "store", "--out", "f.json"),
    ("train", f"{MINE}:1", *GIVEN, *FEATURES, "--out", "out"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_missing_file_is_named_by_every_command(command: tuple[str, ...], here: Path) -> None:
    if command[0] == "pipeline":
        pytest.importorskip("kfp")
    assert refused(*command, "--presets", "/nope").startswith("error: no such file: /nope; ")
    assert list(here.iterdir()) == []


def test_the_example_in_the_docs_is_a_preset_on_every_profile(here: Path) -> None:
    (text,) = re.findall(r"```yaml\n(# mine\.yaml\n.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (here / "mine.yaml").write_text(text, encoding="utf-8")
    for profile in shipped_profiles():
        user_presets = read_presets(Path("mine.yaml"), profile=shipped_profile(profile))
        assert list(user_presets) == ["mfdr:slow"]
    slow, full = user_presets["mfdr:slow"], preset("mfdr:full")
    assert (slow.base, slow.config) == ("mfdr:full", {"dims": 128, "window": 20})
    assert (slow.recipe.lr, slow.recipe.patience_epochs) == (0.0001, 5)
    assert slow.recipe == full.recipe.model_copy(update={"lr": 0.0001, "patience_epochs": 5})
    listed = merflow("presets", "--presets", "mine.yaml")
    assert listed.code == 0
    assert "mfdr:slow is made from mfdr:full, and the figures are those of mfdr:full" in listed.out


def user_presets(folder: Path, config: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(f"presets:\n  {MINE}:\n    base: gia-mic:full\n    config: {config}\n")
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_wrong_config_is_refused_before_any_work(command: tuple[str, ...], here: Path) -> None:
    if command[0] == "pipeline":
        pytest.importorskip("kfp")
    path = user_presets(here, "{dimz: 64, heads: many}")
    assert refused(*command, "--presets", "mine.yaml").splitlines() == [
        "error: mine.yaml: gia-mic:mine, config: 2 problem(s)",
        "  dimz: unknown key; did you mean 'dims'?",
        "  heads: Input should be a valid integer, unable to parse string as an integer, found 'many'",
    ]
    assert list(here.iterdir()) == [path]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_file_without_presets_is_refused_by_every_command_before_any_work(
    command: tuple[str, ...], here: Path
) -> None:
    if command[0] == "pipeline":
        pytest.importorskip("kfp")
    path = here / "mine.yaml"
    path.write_text("- gia-mic:mine\n")
    assert "error: mine.yaml holds a list instead of presets; write `presets:`" in refused(
        *command, "--presets", path.name
    )
    assert list(here.iterdir()) == [path]


@pytest.mark.parametrize("command", [COMMANDS[1], COMMANDS[3]], ids=lambda words: words[0])
def test_sizes_that_do_not_fit_the_profiles_are_refused_before_any_work(command: tuple[str, ...], here: Path) -> None:
    user_presets(here, "{heads: 64}")  # the paper's width is 256, lite's is 96
    assert refused(*command, "--presets", "mine.yaml").splitlines() == [
        "error: mine.yaml: gia-mic:mine, config on profile lite: 1 problem(s)",
        "  64 heads do not divide dims 96",
    ]
    assert merflow("presets", "--presets", "mine.yaml").code == 0
