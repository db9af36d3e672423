"""An untrained model and its ONNX file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from merflow.contracts.calibration_record import Calibration
from merflow.contracts.exported_model import ExportedModel
from merflow.corpus.samples import RATE_HZ
from merflow.exporting.graph import ClipGraph
from merflow.exporting.onnx_file import OnnxModel, write_graph
from merflow.exporting.speech_fronts import SHORTEST
from merflow.exporting.words_input import WordsInput
from merflow.inference.ensemble import Ensemble
from tests.exporting.untrained import untrained


@dataclass(frozen=True)
class Written:
    """A model and its ONNX file."""

    ensemble: Ensemble
    words: WordsInput | None
    onnx: OnnxModel


@pytest.fixture(scope="session")
def write(encoders: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Written]:
    """Return a function that writes a model with random weights, given a variant and a profile."""

    def written(variant: str, profile: str) -> Written:
        ensemble = untrained(variant, profile=profile, encoders=encoders)
        graph = ClipGraph(ensemble)
        calibration = ensemble.calibration
        assert isinstance(calibration, Calibration)
        facts = ExportedModel(
            name=variant,
            version="1",
            title=variant,
            members=1,
            classes=ensemble.classes,
            inputs=graph.inputs,
            rate_hz=RATE_HZ,
            least_samples=SHORTEST,
            words=None if graph.words is None else graph.words.kind,
            calibrated=True,
            temperature=calibration.temperature,
            thresholds=calibration.thresholds,
            coverage=calibration.coverage,
            remarks=(),
        )
        path = tmp_path_factory.mktemp("written") / "model.onnx"
        write_graph(graph, path, facts=facts)
        return Written(ensemble, graph.words, OnnxModel(path))

    return written
