import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from merflow.errors import EvaluationError
from merflow.evaluation.inspected import Averages, Inspected, Scale, Seen, Shown

RANDOM = np.random.default_rng(0)


def inspected() -> Inspected:
    maps = {
        "fusion.0": Shown(RANDOM.random((2, 5, 3)), ("head", "speech", "text")),
        "gate": Shown(RANDOM.random((5, 4)), ("speech", "feature")),
        "opening": Shown(RANDOM.random(4), ("feature",)),
    }
    scales = {"speech": Scale("speech, s", 0.0, 1.5), "text": Scale("token", 0, 3)}
    seen = Seen("u1", "Hello | <b>", "sad", {"sad": 0.75, "angry": 0.25}, maps, scales)
    return Inspected(("sad", "angry"), np.array([[1.0, 2.0], [1e9, -1e9]]), {"layers": averages()}, (seen,))


def averages() -> Averages:
    return Averages(np.array([[0.25, 0.75], [0.5, 0.5]]), "layer")


def test_what_is_saved_is_read_again_without_heads_and_features(tmp_path: Path) -> None:
    whole = inspected()
    whole.save(tmp_path / "i.safetensors")
    found = Inspected.load(tmp_path / "i.safetensors")
    assert found.emotions == ("sad", "angry")
    np.testing.assert_array_equal(found.averages["layers"].values, averages().values)
    assert found.averages["layers"].axis == "layer"
    (before,), (after,) = whole.utterances, found.utterances
    assert (after.utterance_id, after.words, after.emotion) == ("u1", "", "sad"), "words are not kept"
    assert b"Hello" not in (tmp_path / "i.safetensors").read_bytes()
    (told,) = found.with_words({"u1": "Hello | <b>"}).utterances
    assert (told.words, told.shown) == ("Hello | <b>", after.shown)
    assert after.probabilities == before.probabilities
    assert after.scales == before.scales
    assert after.shown["fusion.0"].axes == ("speech", "text")
    np.testing.assert_allclose(after.shown["fusion.0"].values, before.shown["fusion.0"].values.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(after.shown["gate"].values, before.shown["gate"].values.mean(axis=1), atol=1e-3)
    assert (after.shown["opening"].axes, after.shown["opening"].values.shape) == ((), ())


def test_what_float16_cannot_hold_stays_finite(tmp_path: Path) -> None:
    inspected().save(tmp_path / "i.safetensors")
    assert Inspected.load(tmp_path / "i.safetensors").embedding.tolist() == [[1.0, 2.0], [65504.0, -65504.0]]


@pytest.mark.parametrize("metadata", [{"inspected": "{"}, {"other": "{}"}, {"inspected": json.dumps({"emotions": []})}])
def test_a_garbled_file_says_which(tmp_path: Path, metadata: dict[str, str]) -> None:
    save_file({"x": np.zeros(1)}, tmp_path / "i.safetensors", metadata=metadata)
    with pytest.raises(EvaluationError, match=r"cannot read .*i\.safetensors .*train the fold again"):
        Inspected.load(tmp_path / "i.safetensors")
