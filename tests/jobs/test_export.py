"""A registered model, exported to ONNX and used by a process that has onnxruntime and numpy alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

from merflow.contracts.exported_model import ExportResult
from merflow.contracts.heard import ScoreScale
from merflow.corpus.manifest import read_manifest
from merflow.errors import ExportError, OutputError
from merflow.exporting.onnx_file import OnnxModel
from merflow.inference.answers import Prediction, ScorePrediction
from merflow.inference.media_clips import Clip
from merflow.jobs.export import ExportRequest, export
from merflow.opening.open_model import open_model
from tests.cli.command import merflow
from tests.conftest import Registered

Alone = Callable[..., subprocess.CompletedProcess[str]]
WORDS = "No, I can't believe it! Not again..."


@pytest.fixture(scope="module")
def recordings(benchmark: Path) -> list[Path]:
    manifest = read_manifest(benchmark / "manifest.parquet")
    return [manifest.root / str(path) for path in manifest.rows["audio_path"].head(3)]


@pytest.fixture(scope="module")
def exported(registered: Registered, recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """Export the champion: two models that hear and read, calibrated."""
    out = tmp_path_factory.mktemp("exported") / "out"
    request = ExportRequest("models:/emotions@champion", out=out, clips=recordings, tracking_uri=registered.uri)
    return export(request)


def folder_of(exported: ExportResult) -> Path:
    return exported.files[0].parent


def test_the_exported_model_is_equal_on_recordings_with_and_without_words(exported: ExportResult) -> None:
    assert [path.name for path in exported.files] == ["model.onnx", "predict.py", "words.py"]
    assert len(exported.checked) == 3
    assert not exported.made_up
    assert exported.largest <= 1e-5
    assert exported.checked[0].words > 0
    assert exported.checked[-1].words == 0
    assert exported.model.members == 2


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Return a function that runs Python without its own site-packages, with onnxruntime and numpy."""
    packages = tmp_path_factory.mktemp("packages")
    for name in ("numpy", "onnxruntime"):
        found = find_spec(name)
        assert found is not None
        assert found.origin is not None
        (packages / name).symlink_to(Path(found.origin).parent)
        if Path(found.origin).parents[1].joinpath(f"{name}.libs").is_dir():
            (packages / f"{name}.libs").symlink_to(Path(found.origin).parents[1] / f"{name}.libs")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", *map(str, arguments)]
        environment = {"PYTHONPATH": str(packages)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    return run


def test_the_example_needs_onnxruntime_and_numpy_only_and_predicts_the_same(
    exported: ExportResult, ensemble: Path, recordings: list[Path], alone: Alone
) -> None:
    for other in ("torch", "onnx", "merflow"):
        assert "ModuleNotFoundError" in alone("-c", f"import {other}").stderr, "the test would show nothing"
    done = alone(folder_of(exported) / "predict.py", recordings[0], *WORDS.split())
    assert done.returncode == 0, done.stderr
    printed = {name: float(share) for name, share, *_ in (line.split() for line in done.stdout.splitlines())}
    (expected,) = open_model(str(ensemble), device="cpu").ensemble.predict([Clip("a", audio=recordings[0], text=WORDS)])
    assert isinstance(expected, Prediction)
    assert printed == pytest.approx(expected.probabilities, abs=1e-4)  # four digits are printed
    ruled_out = {line.split()[0] for line in done.stdout.splitlines() if "ruled out" in line}
    assert ruled_out == set(expected.probabilities) - set(expected.possible)


def test_the_example_is_short(exported: ExportResult) -> None:
    lines = (folder_of(exported) / "predict.py").read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 24


def test_the_file_says_what_it_is(exported: ExportResult, ensemble: Path) -> None:
    facts = OnnxModel(folder_of(exported) / "model.onnx").facts
    assert facts == exported.model
    assert json.loads(facts.model_dump_json())["name"] == "emotions"
    assert (facts.version, facts.inputs, facts.words) == ("1", ("samples", "words"), "vectors")
    assert (facts.rate_hz, facts.calibrated) == (16_000, True)
    assert facts.classes == open_model(str(ensemble), device="cpu").model.classes


def test_existing_files_are_kept(exported: ExportResult, ensemble: Path) -> None:
    before = exported.files[0].stat().st_mtime_ns
    with pytest.raises(OutputError, match="exists already"):
        export(ExportRequest(str(ensemble), out=folder_of(exported)))
    assert exported.files[0].stat().st_mtime_ns == before


def test_missing_clips_are_named(ensemble: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no recording to check the exported model on: .*nowhere; correct --clips"):
        export(ExportRequest(str(ensemble), out=tmp_path / "out", clips=[tmp_path / "nowhere"]))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def exported_scores(rated_ensemble: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """Export two models of sentiment with their intervals."""
    out = tmp_path_factory.mktemp("exported") / "scores"
    said = merflow("export", rated_ensemble, "--onnx", "--out", out, "--json")
    assert said.code == 0, said.err
    return ExportResult.model_validate_json(said.out)


def test_a_model_of_scores_is_equal_and_says_what_it_is(exported_scores: ExportResult) -> None:
    assert exported_scores.largest <= exported_scores.tolerance == 1e-4
    model = exported_scores.model
    assert model.scale == ScoreScale(task="sentiment", low=-3, high=3)
    assert model.outputs == ("score",)
    assert (model.classes, model.thresholds, model.calibrated) == ((), {}, True)
    assert all(each.score is not None and each.emotion is None for each in exported_scores.checked)
    assert OnnxModel(folder_of(exported_scores) / "model.onnx").facts == model


def test_the_example_prints_the_score_with_its_interval(
    exported_scores: ExportResult, rated_ensemble: Path, rated_benchmark: Path, alone: Alone, tmp_path: Path
) -> None:
    recording = next(read_manifest(rated_benchmark / "manifest.parquet").root.rglob("*.wav"))
    clip = Clip("a", audio=recording, text=WORDS)
    (expected,) = open_model(str(rated_ensemble), device="cpu").ensemble.predict([clip])
    assert isinstance(expected, ScorePrediction)
    assert expected.low is not None
    assert expected.high is not None
    done = alone(folder_of(exported_scores) / "predict.py", recording, *WORDS.split())
    assert done.returncode == 0, done.stderr
    (name, score), (share, _, low, _, high) = (line.split() for line in done.stdout.splitlines())
    assert (name, share) == ("sentiment", "80%")
    printed = [float(each) for each in (score, low, high)]
    assert printed == pytest.approx([expected.score, expected.low, expected.high], abs=1e-4)

    onnx = pytest.importorskip("onnx")
    shutil.copytree(folder_of(exported_scores), tmp_path / "uncalibrated")
    path = tmp_path / "uncalibrated" / "model.onnx"
    model = onnx.load(path)
    (facts,) = (each for each in model.metadata_props if each.key == "merflow")
    facts.value = exported_scores.model.model_copy(update={"half_widths": {}, "coverage": None}).model_dump_json()
    onnx.save(model, path)
    done = alone(tmp_path / "uncalibrated" / "predict.py", recording, *WORDS.split())
    assert done.stdout.splitlines() == [f"sentiment   {score}"]
