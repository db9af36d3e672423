from pathlib import Path

import pytest
import yaml

from merflow.errors import MerflowError, ParamsError, PresetError
from merflow.presets import catalogue
from merflow.presets.user_presets import UserPreset, parse_user_presets, read_user_presets, write_user_presets

BASE = "context-mmt:mmt-finetuned"
ENTRY = UserPreset(base=BASE, config={"dropout": 0.3}, stages=[{"lr": 0.002, "batch_size": 16}], tuned={"trials": 30})


def test_a_users_preset_is_its_base_with_changes(tmp_path: Path) -> None:
    write_user_presets(tmp_path / "presets.yaml", {"context-mmt:mine": ENTRY})
    user_presets = read_user_presets(tmp_path / "presets.yaml")
    base, mine = catalogue.preset(BASE), catalogue.preset("context-mmt:mine", user_presets)
    assert mine.config == {"system": "mmt", "dropout": 0.3}
    first, second = mine.recipes
    assert (first.lr, first.batch_size, first.patience_epochs) == (0.002, 16, 5)
    assert second == base.recipes[1]
    assert (mine.base, mine.published, mine.table, mine.inputs) == (BASE, base.published, base.table, base.inputs)
    assert mine.origin == {"base": BASE, "trials": 30}
    assert (base.base, base.origin) == (None, {})


def test_without_a_file_there_are_none() -> None:
    assert read_user_presets(None) == parse_user_presets("", where="presets") == {}
    with pytest.raises(PresetError, match=r"unknown variant 'context-mmt:mine'.*; --presets FILE adds your own\)"):
        catalogue.preset("context-mmt:mine", {})
    with pytest.raises(PresetError, match=r"unknown variant 'context-mmt:mine'.*\(`merflow presets` lists them\)"):
        catalogue.preset("context-mmt:mine")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"^no such file: .*none.yaml; pass a file of presets with --presets$"):
        read_user_presets(tmp_path / "none.yaml")
    with pytest.raises(PresetError, match=r"^cannot read .*Is a directory"):
        read_user_presets(tmp_path)


@pytest.mark.parametrize(
    ("variant", "entry", "error", "said"),
    [
        ("context-mmt:mmt-frozen", {"base": BASE}, PresetError, "is a preset that merflow ships; give yours another"),
        ("foal-net:video-only-emonet", {"base": "foal-net:full"}, PresetError, "is a preset that merflow ships"),
        ("mfdr:mine", {"base": BASE}, PresetError, "another model; name it context-mmt:mine"),
        ("context-mmt:mine", {"base": "context-mmt:mmt-frozn"}, PresetError, "did you mean 'context-mmt:mmt-frozen'"),
        (
            "context-mmt:mine",
            {"base": BASE, "stages": [{}, {}, {}]},
            PresetError,
            "has 3 stages, but .* has 2; leave out",
        ),
        (
            "context-mmt:mine",
            {"base": BASE, "stages": [{"lrr": 1}]},
            PresetError,
            "mine.yaml: context-mmt:mine, stage 1: 1 problem.*\n  lrr: unknown key; did you mean",
        ),
        ("context-mmt:mine", {"base": BASE, "confg": {}}, ParamsError, "confg: unknown key; did you mean 'config'"),
        ("mine", {"base": BASE}, PresetError, "write model:preset"),
    ],
)
def test_a_wrong_entry_says_what_and_where(
    variant: str, entry: dict[str, object], error: type[MerflowError], said: str
) -> None:
    with pytest.raises(error, match=said):
        parse_user_presets(yaml.safe_dump({"presets": {variant: entry}}), where="mine.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("presets: [", "mine.yaml is not YAML: line 1, column 11: expected the node content"),
        ("presets:\n\tmfdr:mine:", "mine.yaml is not YAML: line 2, column 1: found character '\\t'"),
        ("# nothing yet\n", "mine.yaml holds nothing instead of presets; "),
        ("- mfdr:mine\n", "mine.yaml holds a list instead of presets; "),
        ("mfdr:mine", "mine.yaml holds the text 'mfdr:mine' instead of presets; "),
        ("presets:\n", "mine.yaml holds nothing instead of presets; "),
        ("presets: [mfdr:mine]\n", "mine.yaml holds a list instead of presets; "),
        ("presets: {mfdr:mine: }", "  presets.mfdr:mine: expected a mapping (key: value), found None"),
        ("presets: {mfdr:mine: {base: mfdr:full, stages: {lr: 1}}}", "  presets.mfdr:mine.stages: Input should be a v"),
        ("mfdr:mine: {base: mfdr:full}", "  mfdr:mine: unknown key; known: presets"),
    ],
)
def test_a_file_without_presets_says_what_it_holds_and_what_to_write(text: str, said: str) -> None:
    with pytest.raises(MerflowError) as error:
        parse_user_presets(text, where="mine.yaml")
    assert said in str(error.value)
    assert "UserPresetFile" not in str(error.value)
    assert ("write `presets:`, below it `MODEL:NAME:`" in str(error.value)) == (" problem(s)" not in str(error.value))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("\n")
    with pytest.raises(PresetError, match=r"mine\.yaml is empty; write `presets:`"):
        read_user_presets(tmp_path / "mine.yaml")


def test_the_problems_of_all_entries_are_reported_together() -> None:
    text = "presets: {mfdr:a: {base: mfdr:ful}, mfdr:b: {base: mfdr:full, stages: [{policy: partial}]}}"
    with pytest.raises(PresetError) as error:
        parse_user_presets(text, where="mine.yaml")
    first, second, third = str(error.value).splitlines()
    assert first.startswith("mine.yaml: mfdr:a, base: unknown variant 'mfdr:ful'; did you mean 'mfdr:full'?")
    assert second == "mine.yaml: mfdr:b, stage 1: 1 problem(s)"
    assert third == "  policy 'partial' does not fit encoders {}: only frozen has no encoders"
