"""Finished steps of a rehearsal, found again."""

from pathlib import Path

import pytest

from merflow.errors import PipelineError
from merflow.pipelines.rehearsal.graph import Outputs
from merflow.pipelines.rehearsal.journal import Journal, key_of

OUTPUTS = Outputs({"Output": ["a", "b"]}, {"report": [{"name": "report", "uri": "s3://b/report"}]})


def test_a_finished_step_is_found_under_its_key_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "steps")
    assert journal.find("loop/3/train", key="k") is None
    journal.add("loop/3/train", OUTPUTS, key="k")
    assert Journal(tmp_path / "steps").find("loop/3/train", key="k") == OUTPUTS
    assert journal.find("loop/3/train", key="other") is None
    assert journal.find("train", key="k") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(PipelineError, match=r"train\.json is damaged .* delete it to run the step again"):
        Journal(tmp_path).find("train", key="k")


def test_other_inputs_or_another_image_are_another_key() -> None:
    assert key_of({"a": 1}, {"image": "x"}) == key_of({"a": 1}, {"image": "x"})
    assert key_of({"a": 1}, {"image": "x"}) != key_of({"a": 2}, {"image": "x"})
    assert key_of({"a": 1}, {"image": "x"}) != key_of({"a": 1}, {"image": "y"})
