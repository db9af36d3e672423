"""The folder of a trained fold: when it is complete, what may replace it, and tables that can be read alone."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from merflow.contracts.fold_record import write_fold_record
from merflow.contracts.selection import NONE_PAPER
from merflow.errors import EvaluationError, FormatError, OutputError
from merflow.runs import fold_folder
from merflow.runs.fold_folder import RECORD, LabelledUtterances
from tests.contracts.records import fold_record, planned_fold

TESTED = LabelledUtterances(["a", "b"], ["angry", "sad"])
PROBABILITIES = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]], dtype=np.float32)


@pytest.fixture
def fold(tmp_path: Path) -> Path:
    write_fold_record(tmp_path / "fold/model", fold_record())
    return tmp_path / "fold"


def test_a_folder_is_complete_with_the_record_of_the_same_fingerprint(fold: Path) -> None:
    assert fold_folder.read_record(fold) == fold_record()
    assert fold_folder.is_complete(fold, fingerprint="f" * 16)
    assert not fold_folder.is_complete(fold, fingerprint="0" * 16)
    (fold / RECORD).write_text("{")
    assert not fold_folder.is_complete(fold, fingerprint="f" * 16)
    with pytest.raises(FormatError, match=r"fold_record\.json is not JSON"):
        fold_folder.read_record(fold)
    (fold / RECORD).unlink()
    with pytest.raises(EvaluationError, match=r"is not a trained fold: model/fold_record\.json is missing"):
        fold_folder.read_record(fold)


def test_a_fold_may_be_replaced_by_a_training_of_the_same_fold_alone(fold: Path) -> None:
    fold_folder.check_replaceable(fold, planned_fold(fingerprint="0" * 16))
    for changes, told in (
        ({"fold": 4}, "fold 3, and context-mmt:mmt-frozen:4 would replace it"),
        ({"preset": "bert-fc-frozen"}, "variant context-mmt:mmt-frozen, and"),
        ({"split_id": "0" * 16}, f"split_id {'b' * 16}, and"),
    ):
        with pytest.raises(OutputError, match=f"holds a fold that was trained with {told}"):
            fold_folder.check_replaceable(fold, planned_fold(**changes))
    (fold / RECORD).write_text("{")
    with pytest.raises(OutputError, match="name another folder, or delete"):
        fold_folder.check_replaceable(fold, planned_fold())


def test_a_fold_of_the_first_format_is_replaced_like_any_other(tmp_path: Path) -> None:
    planned = planned_fold()
    first = {"variant": planned.variant, "fold": planned.fold, "seed": planned.seed, "split_id": planned.split_id}
    (tmp_path / "fold.json").write_text(json.dumps({**first, "protocol": planned.protocol}))
    assert not fold_folder.is_complete(tmp_path, fingerprint=planned.fingerprint)
    fold_folder.check_replaceable(tmp_path, planned)
    with pytest.raises(OutputError, match="trained with seed 0, and"):
        fold_folder.check_replaceable(tmp_path, planned_fold(seed=1))


def test_folds_are_found_whatever_their_format_and_a_model_folder_alone_is_none(fold: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old/fold.json").write_text("{}")
    write_fold_record(tmp_path / "registered", fold_record())
    assert sorted(fold_folder.folds_below(tmp_path)) == [fold, tmp_path / "old"]
    assert fold_folder.folds_below(fold / "model") == []


def test_a_table_names_its_classes_and_the_rule_that_chose_the_epoch(tmp_path: Path) -> None:
    record = fold_record()
    write_fold_record(tmp_path / "model", record)
    fold_folder.write_predictions(tmp_path, record, TESTED, PROBABILITIES)
    fold_folder.write_none_paper(tmp_path, record, TESTED, PROBABILITIES)
    fold_folder.write_missing(tmp_path, record, TESTED, by_missing={"audio": PROBABILITIES, "text": PROBABILITIES})
    metadata = {path.stem: pq.read_schema(path).metadata for path in tmp_path.glob("*.parquet")}
    honest = {b"classes": b"angry,happy,neutral,sad", b"selection": b"lowest loss of one training speaker"}
    assert metadata == {
        "predictions": honest,
        "missing": honest,
        "none-paper": honest | {b"selection": str(NONE_PAPER).encode()},
    }
    rows = fold_folder.read_predictions(tmp_path)
    assert rows["utterance_id"].tolist() == ["a", "b"]
    assert set(rows["run"]) == {record.fingerprint}
    missing = fold_folder.read_missing(tmp_path)
    assert missing is not None
    assert missing["missing"].tolist() == ["audio", "audio", "text", "text"]
    assert fold_folder.read_none_paper(tmp_path) is not None
