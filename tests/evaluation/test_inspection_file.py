import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from merflow.errors import EvaluationError
from merflow.evaluation.inspection_file import AxisScale, FoldInspection, InspectedUtterance, ModuleAverages, NamedArray

RANDOM = np.random.default_rng(0)


def inspected() -> FoldInspection:
    maps = {
        "fusion.0": NamedArray(RANDOM.random((2, 5, 3)), ("head", "speech", "text")),
        "gate": NamedArray(RANDOM.random((5, 4)), ("speech", "feature")),
        "opening": NamedArray(RANDOM.random(4), ("feature",)),
    }
    scales = {"speech": AxisScale("speech, s", 0.0, 1.5), "text": AxisScale("token", 0, 3)}
    seen = InspectedUtterance("u1", "Hello | <b>", "sad", {"sad": 0.75, "angry": 0.25}, maps, scales)
    return FoldInspection(("sad", "angry"), np.array([[1.0, 2.0], [1e9, -1e9]]), {"layers": averages()}, (seen,))


def averages() -> ModuleAverages:
    return ModuleAverages(np.array([[0.25, 0.75], [0.5, 0.5]]), "layer")


def test_what_is_saved_is_read_again_without_heads_and_features(tmp_path: Path) -> None:
    whole = inspected()
    whole.save(tmp_path / "i.safetensors")
    found = FoldInspection.load(tmp_path / "i.safetensors")
    assert found.emotions == ("sad", "angry")
    np.testing.assert_array_equal(found.averages["layers"].values, averages().values)
    assert found.averages["layers"].axis == "layer"
    (before,), (after,) = whole.utterances, found.utterances
    assert (after.utterance_id, after.words, after.emotion) == ("u1", "", "sad"), "words are not kept"
    assert b"Hello" not in (tmp_path / "i.safetensors").read_bytes()
    (told,) = found.with_words({"u1": "Hello | <b>"}).utterances
    assert (told.words, told.arrays) == ("Hello | <b>", after.arrays)
    assert after.probabilities == before.probabilities
    assert after.scales == before.scales
    assert after.arrays["fusion.0"].axes == ("speech", "text")
    np.testing.assert_allclose(
        after.arrays["fusion.0"].values, before.arrays["fusion.0"].values.mean(axis=0), atol=1e-3
    )
    np.testing.assert_allclose(after.arrays["gate"].values, before.arrays["gate"].values.mean(axis=1), atol=1e-3)
    assert (after.arrays["opening"].axes, after.arrays["opening"].values.shape) == ((), ())


def test_what_float16_cannot_hold_stays_finite(tmp_path: Path) -> None:
    inspected().save(tmp_path / "i.safetensors")
    assert FoldInspection.load(tmp_path / "i.safetensors").embedding.tolist() == [[1.0, 2.0], [65504.0, -65504.0]]


@pytest.mark.parametrize("metadata", [{"inspected": "{"}, {"other": "{}"}, {"inspected": json.dumps({"emotions": []})}])
def test_a_garbled_file_says_which(tmp_path: Path, metadata: dict[str, str]) -> None:
    save_file({"x": np.zeros(1)}, tmp_path / "i.safetensors", metadata=metadata)
    with pytest.raises(EvaluationError, match=r"cannot read .*i\.safetensors .*train the fold again"):
        FoldInspection.load(tmp_path / "i.safetensors")
