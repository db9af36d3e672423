from pathlib import Path

import pytest

from merflow.errors import PresetError
from merflow.presets.profiles import parse_profile, profile_text, read_profile, shipped_profile

MINE = "base: paper\nroles:\n  text: {name: text, settings: {model: ./minilm, layers: last}}\n"


def test_a_users_profile_starts_from_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    mine, paper = read_profile(str(path)), shipped_profile("paper")
    assert (mine.name, mine.base) == ("mine", "paper")
    assert mine.roles["text"].settings["model"] == str(tmp_path / "minilm")  # beside the file
    assert paper.roles.keys() - mine.roles.keys() == {"text/roberta-base", "text/bert-base"}
    assert {slot: spec for slot, spec in paper.roles.items() if not slot.startswith("text")} == {
        slot: spec for slot, spec in mine.roles.items() if not slot.startswith("text")
    }
    assert mine.roles["text_layers"] == paper.roles["text_layers"]


def test_one_encoder_of_a_role_can_be_replaced_alone() -> None:
    mine = parse_profile(MINE.replace("text:", "text/bert-base:"), name="mine", where="mine")
    paper = shipped_profile("paper")
    assert mine.roles.keys() == paper.roles.keys()
    assert [slot for slot, spec in mine.roles.items() if spec != paper.roles[slot]] == ["text/bert-base"]


def test_adjustments_of_models_come_from_the_base_unless_the_file_has_its_own() -> None:
    mine = parse_profile("base: lite\nroles: {}\nmodels: {gia-mic: {config: {dims: 64}}}\n", name="mine", where="mine")
    lite = shipped_profile("lite")
    assert mine.models["gia-mic"].config == {"dims": 64}
    assert mine.models["foal-net"] == lite.models["foal-net"]
    assert mine.roles == lite.roles


def test_a_profile_travels_as_text() -> None:
    mine = parse_profile(MINE + "name: words\n", name="mine", where="mine")
    assert parse_profile(profile_text(mine), name="x", where="x") == mine
    assert mine.name == "words"


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(PresetError) as caught:
        parse_profile(
            "base: papr\nroles:\n  text: {nam: text}\n  txt: {name: text}\n  speech/wavlm-lage: {name: wavlm}\n"
            "  video: video/x\nmodels: {mfd: {}}\n",
            name="mine",
            where="mine.yaml",
        )
    said = str(caught.value)
    assert said.startswith("mine.yaml: 6 problem(s)\n")
    for problem in (
        "base: unknown encoder profile 'papr'; did you mean 'paper'?",
        "nam: unknown key; did you mean 'name'?",
        "unknown role 'txt'; did you mean 'text'?",
        "unknown encoder 'speech/wavlm-lage'; did you mean 'wavlm-large'?",
        "video points to 'video/x'",
        "models: unknown model 'mfd'; did you mean 'mfdr'?",
    ):
        assert problem in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.yaml holds nothing instead of a profile; write `base: paper`"),
        ("- a", "mine.yaml holds a list instead of a profile"),
        ("base: [", "mine.yaml is not YAML: line 1"),
        ("bas: paper\nroles: {}", "bas: unknown key; did you mean 'base'?"),
        ("base: paper", "roles: Field required"),
        ("name: paper\nbase: paper\nroles: {}", "paper is a profile that merflow ships; give yours another name"),
        ("name: a b\nroles: {}", "'a b' is not a name; use letters"),
    ],
)
def test_a_file_of_something_else_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PresetError) as caught:
        read_profile(str(path))
    assert said in str(caught.value)


def test_a_missing_file_and_an_unknown_name_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"no such file: .*none\.yaml; pass a file of an encoder profile with --prof"):
        read_profile(str(tmp_path / "none.yaml"))
    with pytest.raises(PresetError, match="unknown encoder profile 'papr'; did you mean 'paper'"):
        read_profile("papr")
