"""The record of a trained fold: it is read back as written, other formats are refused, promotable can be false."""

import json
from pathlib import Path

import pytest

from merflow.contracts.fold_record import FOLD_RECORD, ShadowEpoch, read_fold_record, write_fold_record
from merflow.contracts.planned_fold import Origin
from merflow.contracts.regime import Regime
from merflow.contracts.selection import NONE_PAPER, Selection
from merflow.errors import FormatError, ModelError
from tests.contracts.records import RECIPE, fold_record, planned_fold

AGAIN = "train the fold again with the command that trained it"


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    tuned = Origin(base="mfdr:full", tuned={"study": "night", "trial": 7, "dev_UA": 0.5})
    record = fold_record(origin=tuned, none_paper=ShadowEpoch(epoch=9))
    write_fold_record(tmp_path, record)
    assert read_fold_record(tmp_path) == record
    assert read_fold_record(tmp_path).stamp == record.stamp


def test_the_figures_of_a_training_leave_its_stamp_alone() -> None:
    assert fold_record(seconds=1.0).stamp == fold_record(seconds=2.0).stamp == planned_fold().stamp
    assert fold_record(seed=1).stamp != fold_record().stamp


def test_a_fold_is_promotable_unless_test_data_chose_its_epoch() -> None:
    honest, biased = fold_record(), fold_record(selection=NONE_PAPER)
    assert (honest.promotable, biased.promotable) == (True, False)
    assert not ShadowEpoch(epoch=3).promotable
    assert str(honest.selection) == "lowest loss of one training speaker"
    assert str(Selection(figure="ua", data="random")) == "highest UA of a share of the training dialogues"
    assert str(biased.selection).startswith("none-paper: the epoch with the highest test UA")


def test_stages_and_settings_follow_from_the_recipes() -> None:
    second = RECIPE.model_copy(update={"policy": "full", "encoders": {"speech": "transformer"}})
    regime = Regime(asked=("frozen", "full"), ran=("frozen", "full"))
    record = fold_record(recipes=(RECIPE, second), regime=regime)
    assert record.stages == ("frozen", "full")
    assert list(record.recipe_settings) == ["stage 1", "stage 2"]
    assert fold_record().recipe_settings == RECIPE.model_dump()


@pytest.mark.parametrize(
    ("content", "writer"),
    [({"merflow_version": "0.1.0", "model": "mfdr"}, "merflow 0.1.0"), ({"model": "mfdr"}, "an earlier merflow")],
)
def test_a_model_card_of_the_first_format_is_refused(tmp_path: Path, content: dict[str, str], writer: str) -> None:
    (tmp_path / "card.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=rf"card\.json was written by {writer} \(format 1\).*; {AGAIN}"):
        read_fold_record(tmp_path)


def test_a_record_of_a_later_format_is_refused(tmp_path: Path) -> None:
    write_fold_record(tmp_path, fold_record())
    path = tmp_path / FOLD_RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 9, "written_by": "9.0"}))
    with pytest.raises(FormatError, match=r"written by merflow 9\.0 \(format 9\); this version reads format 3"):
        read_fold_record(tmp_path)


def test_a_damaged_record_names_every_key(tmp_path: Path) -> None:
    write_fold_record(tmp_path, fold_record())
    path = tmp_path / FOLD_RECORD
    values = json.loads(path.read_text()) | {"fold": "three", "spare": 1}
    del values["seed"]
    path.write_text(json.dumps(values))
    with pytest.raises(FormatError) as refused:
        read_fold_record(tmp_path)
    assert all(f"\n  {key}: " in str(refused.value) for key in ("fold", "seed", "spare"))


def test_a_folder_without_a_record_is_not_a_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_fold_record(tmp_path)
