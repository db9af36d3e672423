"""A trained model, exported to ONNX and used without merflow; and what is refused."""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.contracts.exported_model import ExportResult
from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Role
from merflow.corpus.manifest import read_manifest
from merflow.errors import ExportError, OutputError
from merflow.exporting.equality import TOLERANCE, compared
from merflow.exporting.limits import check_exportable, reasons_against
from merflow.exporting.onnx_file import OnnxModel
from merflow.inference.ensemble import Ensemble, load_ensemble
from merflow.inference.media_clips import Clip
from merflow.jobs.export import ExportRequest, export
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.runs.fold_folder import MODEL

VARIANT = "layer-adapter-fusion:st-plain"  # sound and words
WORDS = "No, I can't believe it! Not again..."


@dataclass(frozen=True)
class Exported:
    """A fold, its exported model, and a recording."""

    fold: Path
    out: Path
    result: ExportResult
    recording: Path

    def load(self) -> Ensemble:
        """Return the fold's model."""
        return load_ensemble([self.fold / MODEL], calibration=None, device="cpu")


@pytest.fixture(scope="module")
def exported(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    pytest.importorskip("onnxruntime")
    place = tmp_path_factory.mktemp("exported")
    manifest, splits, features = place / "manifest.parquet", place / "splits.parquet", place / "features.json"
    index(tiny_release, corpus="synthetic", out=manifest, params=params.corpus)
    split(manifest, out=splits, params=params.splits)
    alone = params.features.model_copy(update={"workers": 0})
    extract(manifest, variants=[VARIANT], store=place / "store", out=features, params=alone, corpus=params.corpus)
    train(
        f"{VARIANT}:1",
        manifest=manifest,
        splits=splits,
        features=features,
        out=place / "fold",
        checkpoints=place / "checkpoints",
        params=params.training.model_copy(update={"max_epochs": 1}),
    )
    recordings = read_manifest(manifest)
    paths = [recordings.root / str(path) for path in recordings.rows["audio_path"].head(3)]
    out = place / "out"
    result = export(ExportRequest(str(place / "fold" / MODEL), out=out, clips=paths))
    return Exported(place / "fold", out, result, paths[0])


def test_the_exported_model_is_equal_on_recordings_with_and_without_words(exported: Exported) -> None:
    result = exported.result
    assert [path.name for path in result.files] == ["model.onnx", "predict.py"]
    assert len(result.checked) == 3
    assert not result.made_up
    assert result.largest <= 1e-5
    assert result.checked[0].words > 0
    assert result.checked[-1].words == 0


def test_the_example_needs_onnxruntime_and_numpy_only_and_predicts_the_same(exported: Exported) -> None:
    script = exported.out / "predict.py"
    imported = {
        alias.name
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime"}
    done = subprocess.run(
        [sys.executable, "-I", script, exported.recording, WORDS], check=True, capture_output=True, text=True
    )
    printed = {name: float(share) for name, share in (line.split() for line in done.stdout.splitlines())}
    (expected,) = exported.load().predict([Clip("clip", audio=exported.recording, text=WORDS)])
    assert printed == pytest.approx(expected.probabilities, abs=1e-4)  # four digits are printed


def test_the_file_says_what_it_is(exported: Exported) -> None:
    facts = OnnxModel(exported.out / "model.onnx").facts
    assert facts == exported.result.model
    assert json.loads(facts.model_dump_json())["name"] == VARIANT
    assert (facts.inputs, facts.rate_hz, facts.calibrated) == (("samples", "words"), 16_000, False)
    assert facts.classes == exported.load().classes


def test_a_model_that_is_not_equal_is_refused_with_the_clip(exported: Exported, tmp_path: Path) -> None:
    ensemble = exported.load()
    for value in ensemble.members[0].model.parameters():
        value.data.mul_(1.5)  # another model than the one that was exported
    clips = [Clip("the-clip", audio=exported.recording, text=WORDS)]
    with pytest.raises(ExportError, match=r"differ by up to 0\.\d+ on clip the-clip"):
        compared(OnnxModel(exported.out / "model.onnx"), ensemble, clips, done=lambda _number, _total: None)
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(1000, dtype=np.int16), 16_000)
    with pytest.raises(ExportError, match=r"none of the 1 clips has 0\.1 s"):
        compared(
            OnnxModel(exported.out / "model.onnx"),
            exported.load(),
            [Clip("short", audio=short)],
            done=lambda _number, _total: None,
        )
    assert TOLERANCE == 1e-4


def test_existing_files_are_kept(exported: Exported) -> None:
    before = (exported.out / "model.onnx").stat().st_mtime_ns
    with pytest.raises(OutputError, match="exists already"):
        export(ExportRequest(str(exported.fold / MODEL), out=exported.out))
    assert (exported.out / "model.onnx").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("role", "encoder", "reason"),
    [
        ("text", "roberta", "needs a tokenizer"),
        ("speech", "whisper-encoder", "log-mel bands"),
        ("video", "lite-video", "reads video"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_reason(
    exported: Exported, role: Role, encoder: str, reason: str
) -> None:
    ensemble = exported.load()
    check_exportable(ensemble, name=VARIANT)
    specs = {**ensemble.members[0].encoders.specs, role: EncoderSpec(name=encoder)}
    assert reason in "; ".join(reasons_against(specs, streams=ensemble.members[0].encoders.streams))
