"""KServe's own client, in an environment of its own: it needs older packages than merflow."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from merflow.inference.media_clips import Clip
from merflow.serving.answers import ClipPrediction
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor
from tests.serving.http.running import Running

PYTHON = os.environ.get("MERFLOW_KSERVE_PYTHON")


@pytest.mark.skipif(not PYTHON, reason="MERFLOW_KSERVE_PYTHON does not name a Python that has kserve")
def test_its_answers_are_those_of_the_model(server: Running, predictor: Predictor, recordings: list[Path]) -> None:
    assert PYTHON
    program = Path(__file__).with_name("kserve_client.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [PYTHON, program, server.url, server.service.name, *recordings],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["live"] is said["ready"] is True
    assert said["model ready"] == [True, True]
    clips: list[Clip] = [open_clip(path, clip_id=path.name) for path in recordings]
    expected = []
    for answer in predictor.predict(clips):
        assert isinstance(answer, ClipPrediction)
        expected.append(list(answer.probabilities.values()))
    for protocol in ("V1", "V2", "V2 binary"):
        np.testing.assert_allclose(said[protocol], expected, rtol=0, atol=1e-5)
