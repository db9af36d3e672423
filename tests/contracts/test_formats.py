"""Typed files: written content is read back, and files of another format or with wrong content are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from merflow.contracts.extracted_features import (
    ExtractedFeatures,
    ExtractedStream,
    read_extracted_features,
    write_extracted_features,
)
from merflow.contracts.history import EpochFigures, read_history, write_history
from merflow.contracts.invocation import Invocation, read_invocation, write_invocation
from merflow.contracts.presets import EncoderProfile, EncoderSpec
from merflow.contracts.streams import Stream, StreamShape
from merflow.contracts.tracked_run import (
    RememberedFold,
    RememberedResults,
    TrackedRun,
    read_remembered_fold,
    read_remembered_results,
    read_tracked_run,
    write_remembered,
    write_tracked_run,
)
from merflow.errors import FeatureError, FormatError

RUN = TrackedRun(
    uri=None,
    experiment="merflow",
    name="demo",
    benchmark_id="0" * 16,
    tags={"corpus": "synthetic"},
    params={"training": {"threads": 1}, "seeds": [0]},
    workspace="/runs/demo",
    system_metrics_every_s=5,
)
FEATURES = ExtractedFeatures(
    store="/runs/demo/store",
    profile=EncoderProfile(name="lite", roles={}),
    encoders={"text": EncoderSpec(name="lite-text", settings={"width": 256})},
    manifest_hash="a" * 16,
    transcripts={"truth": "truth", "asr": "truth"},
    has_both_transcripts=False,
    streams=(
        ExtractedStream(key="k" * 16, stream=Stream("text"), shape=StreamShape(None, 256), entries=9, quarantined=1),
    ),
    other_transcripts=(),
)


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_tracked_run(tmp_path / "run.json", RUN)
    assert read_tracked_run(tmp_path / "run.json") == RUN
    write_remembered(tmp_path / "fold.json", RememberedFold(folder="folds/1"))
    assert read_remembered_fold(tmp_path / "fold.json").folder == "folds/1"
    results = RememberedResults(files={"results.json": "results.json"}, command="merflow benchmark")
    write_remembered(tmp_path / "results.json", results)
    assert read_remembered_results(tmp_path / "results.json") == results
    write_extracted_features(tmp_path / "features.json", FEATURES)
    assert read_extracted_features(tmp_path / "features.json") == FEATURES
    assert read_invocation(tmp_path) is None
    write_invocation(tmp_path, Invocation(name="demo", command="merflow benchmark"))
    assert read_invocation(tmp_path) == Invocation(name="demo", command="merflow benchmark")
    epochs = (EpochFigures(1, 1, 1.5, 1.25, lr=1e-4, seconds=0.1, development={"dev_ua": 0.5, "dev_wa": 0.5}),)
    write_history(tmp_path, epochs)
    assert read_history(tmp_path) == epochs


@pytest.mark.parametrize(
    ("read", "error", "remedy"),
    [
        (read_tracked_run, FormatError, "run the benchmark's own command again"),
        (read_remembered_fold, FormatError, "run the benchmark's own command again"),
        (read_remembered_results, FormatError, "run the benchmark's own command again"),
        (read_extracted_features, FeatureError, "extract again"),
    ],
)
def test_a_file_of_the_first_format_names_its_remedy(
    read: Callable[[Path], object], error: type[Exception], remedy: str, tmp_path: Path
) -> None:
    path, number = tmp_path / "file.json", 3 if error is FeatureError else 2
    path.write_text(json.dumps({"name": "demo", "merflow_version": "0.0.9"}))
    with pytest.raises(error) as refused:
        read(path)
    told = str(refused.value)
    assert told.startswith(f"{path} was written by merflow 0.0.9 (format 1); this version reads format {number}; ")
    assert remedy in told


@pytest.mark.parametrize("content", ["[]", "{", '[{"epoch": 1}]'])
def test_a_history_of_something_else_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(content)
    if content == "[]":
        assert read_history(tmp_path) == ()
        return
    with pytest.raises(FormatError, match=r"cannot read .*history\.json .*; train the fold again"):
        read_history(tmp_path)
