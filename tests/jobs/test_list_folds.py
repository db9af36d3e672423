"""The request of a fold depends on what the fold reads, and on nothing else of the benchmark."""

import shutil
from pathlib import Path

from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.params_files import shipped_params
from merflow.contracts.requests import ListFoldsRequest, TrainRequest, VariantTraining
from merflow.contracts.streams import Stream
from merflow.jobs.list_folds import list_folds
from merflow.runs.workspace import Workspace
from tests.jobs.inputs_of_folds import inputs_of_folds, write_features, write_run

SPEECH, TEXT, VIDEO = Stream("speech"), Stream("text", transcript="asr"), Stream("video")
ONE = VariantTraining(variant="mfdr:gru", presets="", streams=(SPEECH, TEXT), code="1")
TWO = VariantTraining(variant="mfdr:full", presets="", streams=(SPEECH, VIDEO), code="2")
READ = {SPEECH: SPEECH, TEXT: Stream("text", transcript="truth"), VIDEO: VIDEO}


def listed(
    folder: Path, *trainings: VariantTraining, seeds: tuple[int, ...] = (0,), **inputs_by_role: str
) -> list[Path]:
    """List the folds of variants whose streams were extracted together, in a workspace in the folder."""
    inputs = folder / "artifacts"
    shutil.rmtree(inputs, ignore_errors=True)
    shutil.copytree(inputs_of_folds(), inputs)
    streams = dict.fromkeys(READ[stream] for training in trainings for stream in training.streams)
    write_features(inputs / "features", list(streams), inputs=inputs_by_role)
    write_run(inputs / "run", variants=", ".join(training.variant for training in trainings))
    request = ListFoldsRequest(
        code="0",
        trainings=list(trainings),
        seeds=list(seeds),
        workspace=str(folder / "workspace"),
        params=shipped_params().training,
    )
    files = {name: inputs / name for name in ("manifest", "splits", "features", "run")}
    return list_folds(request, **files)


def test_one_more_variant_or_seed_leaves_the_requests_of_all_other_folds_as_they_are(tmp_path: Path) -> None:
    alone = listed(tmp_path, ONE)
    assert len(set(alone)) == 5
    both = listed(tmp_path, ONE, TWO)
    assert len(set(both)) == 10
    assert both[::2] == alone
    assert listed(tmp_path, TWO, ONE)[1::2] == alone
    seeds = listed(tmp_path, ONE, seeds=(0, 1))
    assert seeds[:5] == alone
    assert not set(seeds[5:]) & set(alone)


def test_a_request_names_its_inputs_in_the_workspace_and_they_are_there(tmp_path: Path) -> None:
    first, *_ = listed(tmp_path, ONE, TWO)
    shutil.rmtree(tmp_path / "artifacts")
    request = TrainRequest.from_json(first.read_text())
    assert request.fold == "mfdr:gru:1"
    for name in ("manifest", "splits", "features", "run"):
        path = Path(getattr(request, name))
        assert path.is_relative_to(tmp_path / "workspace")
        assert path.is_file()
    features = read_extracted_features(Path(request.features))
    assert {each.stream for each in features.streams} == {SPEECH, READ[TEXT]}
    assert features.encoders.keys() == {"speech", "text"}


def test_what_a_fold_reads_changes_its_request(tmp_path: Path) -> None:
    before = set(listed(tmp_path, ONE))
    assert not before & set(listed(tmp_path, ONE.model_copy(update={"code": "edited"})))
    assert not before & set(listed(tmp_path, ONE.model_copy(update={"streams": (SPEECH, VIDEO)})))
    assert not before & set(listed(tmp_path, ONE.model_copy(update={"presets": "{}"})))
    assert before == set(listed(tmp_path, ONE))


def test_requests_differ_once_the_trained_folds_are_gone(tmp_path: Path) -> None:
    before = listed(tmp_path, ONE)
    assert listed(tmp_path, ONE) == before
    shutil.rmtree(tmp_path / "workspace/folds")
    assert not set(listed(tmp_path, ONE)) & set(before)


def test_the_identity_of_a_workspace_is_made_once(tmp_path: Path) -> None:
    identity = Workspace(tmp_path).identity()
    assert len(identity) == 8
    assert Workspace(tmp_path).identity() == identity
    assert [path.name for path in (tmp_path / "folds").iterdir()] == ["identity"]
    assert Workspace(tmp_path / "other").identity() != identity


def test_a_replaced_recording_is_trained_on_again_by_those_who_read_it(tmp_path: Path) -> None:
    before = listed(tmp_path, ONE, TWO)
    after = listed(tmp_path, ONE, TWO, video="another")
    assert after[::2] == before[::2], "it reads no video"
    assert not set(after[1::2]) & set(before)
    assert not set(listed(tmp_path, ONE, TWO, speech="another")) & set(before)
