from pathlib import Path

import pytest

from merflow.contracts.params_files import changes_json, read_params, shipped_params, with_changes
from merflow.contracts.requests import ValidateRequest
from merflow.contracts.taxonomy import RAW_LABELS, Taxonomy, parse_taxonomy, taxonomy
from merflow.errors import LabelError, ParamsError

MINE = """
classes: # not in alphabetical order
  positive: [joy, surprise]
  negative: [anger, no, 0]
dropped: [neutral, oth]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_excited_is_happy_in_four_classes_and_itself_in_six() -> None:
    assert taxonomy("iemocap4").emotion_of("exc") == "happy"
    assert taxonomy("iemocap6").emotion_of("exc") == "excited"


def test_codes_and_words_mean_the_same() -> None:
    assert len(RAW_LABELS) == 11
    for code, word in RAW_LABELS.items():
        assert taxonomy("iemocap4").emotion_of(code) == taxonomy("iemocap4").emotion_of(word)


def test_classes_are_in_alphabetical_order() -> None:
    assert taxonomy("iemocap4").classes == ("angry", "happy", "neutral", "sad")


def test_a_known_label_outside_the_taxonomy_is_not_a_class() -> None:
    assert taxonomy("iemocap4").emotion_of("xxx") is None


def test_an_unknown_label_names_the_nearest() -> None:
    with pytest.raises(LabelError, match=r"label 'angri' .*did you mean 'angry'"):
        taxonomy("iemocap4").emotion_of("angri")
    with pytest.raises(LabelError, match="did you mean 'iemocap6'"):
        taxonomy("iemocap")


def test_a_file_maps_labels_in_its_own_order(tmp_path: Path) -> None:
    mine = taxonomy(str(written(tmp_path, MINE)))
    assert (mine.name, mine.classes) == ("mine", ("positive", "negative"))
    assert [mine.emotion_of(raw) for raw in ("joy", "no", "0", "neutral", "neu", "other")] == [
        *("positive", "negative", "negative"),
        *(None, None, None),
    ]
    with pytest.raises(LabelError, match=r"'angr' is neither in a class of taxonomy mine nor .*did you mean 'anger'"):
        mine.emotion_of("angr")
    assert parse_taxonomy(mine.content(), where="it") == mine
    assert not mine.shipped


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("classes: {a: [joy, anger], b: [anger]}", "label 'anger' is mapped twice, to a and to b"),
        ("classes: {a: [joy, joy], b: [anger]}", "label 'joy' is mapped twice, to a and to a"),
        ("classes: {a: [neu], b: [anger]}\ndropped: [neutral]", "label 'neutral' is mapped twice, to a and to dropped"),
        ("classes: {a: [joy], b: []}", "class 'b' has no labels; list the labels of the corpus that belong to it"),
        ("classes: {a: [joy], b: anger}", "class 'b': expected a list of labels, found 'anger'"),
        ("classes: {a: [joy], b: [anger]}\ndroped: [x]", "unknown key 'droped'; did you mean 'dropped'?"),
        ("classes: {a: [joy]}", "a taxonomy needs at least two classes"),
        ("classes: {a: [joy], b: [anger]}\nname: iemocap4", "name 'iemocap4' belongs to a taxonomy of merflow's own"),
        ("classes:\n  a: [joy]\n  a: [anger]", "'a' is written twice"),
        ("joy: a", "mine.yaml describes no taxonomy; write `classes:`, below it"),
        ("classes: [", "mine.yaml is not YAML"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(LabelError) as refused:
        taxonomy(str(path))
    assert str(path) in str(refused.value)
    assert problem in str(refused.value)


def test_all_problems_of_a_file_are_reported_together(tmp_path: Path) -> None:
    path = written(tmp_path, "classes: {a: [joy], b: [joy], c: []}")
    with pytest.raises(ParamsError) as refused:
        read_params(Path("params.yaml"), overrides=(f"corpus.taxonomy={path}",))
    assert f"corpus.taxonomy: taxonomy {path}: 2 problems\n" in str(refused.value)
    with pytest.raises(ParamsError, match=r"corpus.taxonomy: no such taxonomy file: gone.yaml; write one as in docs/"):
        read_params(Path("params.yaml"), overrides=("corpus.taxonomy=gone.yaml",))


def test_parameters_hold_the_content_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, MINE)
    params = read_params(Path("params.yaml"), overrides=(f"corpus.taxonomy={path}",))
    path.unlink()
    request = ValidateRequest(workspace="", quarantine=False, params=params.corpus, data="", code="")
    assert ValidateRequest.from_json(request.to_json()) == request
    again = with_changes(shipped_params(), changes_json(params, base=shipped_params()))
    assert again == params
    assert isinstance(again.corpus.taxonomy, Taxonomy)
    assert changes_json(shipped_params(), base=params) == '{"corpus": {"taxonomy": "iemocap4"}}'
