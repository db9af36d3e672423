from pathlib import Path

import pytest

from merflow.contracts.params import Params, read_params
from merflow.errors import ParamsError

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def test_the_top_level_file_is_the_one_that_the_package_ships() -> None:
    assert SHIPPED.resolve() == (Path(__file__).parents[2] / "src/merflow/params.yaml").resolve()


def test_an_override_changes_one_value() -> None:
    plain, changed = read_params(SHIPPED), read_params(SHIPPED, overrides=("training.threads=3",))
    assert changed.training.threads == 3
    assert changed.model_copy(update={"training": plain.training}) == plain


def test_an_override_by_nothing_is_an_empty_text() -> None:
    assert read_params(SHIPPED, overrides=("features.encoders_folder=",)).features.encoders_folder == ""
    with pytest.raises(ParamsError, match=r"training.threads: .*found ''"):
        read_params(SHIPPED, overrides=("training.threads=",))


def test_all_problems_are_reported_together_and_unknown_keys_name_the_nearest() -> None:
    with pytest.raises(ParamsError) as caught:
        read_params(SHIPPED, overrides=("training.thread=3", "splits.protocol=session-6fold", "corpus.taxonomy=4"))
    message = str(caught.value)
    assert "3 problem(s)" in message
    assert "training.thread: unknown key; did you mean 'threads'?" in message
    assert "splits.protocol" in message
    assert "found 'session-6fold'" in message
    assert "corpus.taxonomy" in message


def test_off_is_a_word_with_quotes_and_without_as_tools_rewrite_it(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text().replace('compile: "off"', "compile: off"))
    assert read_params(path) == read_params(SHIPPED)
    assert read_params(SHIPPED, overrides=("training.shadow_selection=off",)).training.shadow_selection == "off"


@pytest.mark.parametrize(
    ("override", "said"),
    [("training.threads", "has no '='"), ("training.threads.deep=1", "is a value, not a section")],
)
def test_a_malformed_override_says_how_to_write_it(override: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        read_params(SHIPPED, overrides=(override,))


@pytest.mark.parametrize(("text", "said"), [("- a", "expected a mapping, found list"), ("a: [", "is no YAML")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=said):
        read_params(path)


def test_a_missing_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="pass --params"):
        read_params(tmp_path / "params.yaml")


def test_no_section_has_defaults() -> None:
    sections = [field.annotation for field in Params.model_fields.values()]
    assert len(sections) == 10
    for section in sections:
        assert section is not None
        assert all(field.is_required() for field in section.model_fields.values())
