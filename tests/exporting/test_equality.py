"""One model of every kind of input and encoder, exported with random weights and compared with PyTorch."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("transformers")

from merflow.contracts.exported_model import WordsKind
from merflow.corpus.samples import RATE_HZ
from merflow.errors import ExportError
from merflow.exporting.equality import TOLERANCE, compared
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_clips import Clip, Samples
from merflow.promotion.probe_clips import made_up_clips
from tests.exporting.conftest import Written

TEXTS = ("Well, I did not think that you would say that!", "I'm sorry.", "Stop it! Never. Never again, do you hear?")

# Fine-tuned speech and RoBERTa's tokens; everything fine-tuned, and Whisper; a fine-tuned BERT, pooled, with the turns
# around a clip unknown; words alone.
KINDS: tuple[tuple[str, WordsKind], ...] = (
    ("gia-mic:st", "byte-pairs"),
    ("layer-adapter-fusion:stc-mf-la", "byte-pairs"),
    ("context-mmt:mmt-finetuned", "word-pieces"),
    ("gia-mic:t", "byte-pairs"),
)


def clips_for(ensemble: Ensemble) -> list[Clip]:
    """Return clips of half a second to 20 s, and one of 40 s; the last of them without words if the model hears."""
    made = made_up_clips({"audio"}, seconds=(0.5, 20.0), count=len(TEXTS))
    clips = [replace(each, text=text) for each, text in zip(made, TEXTS, strict=True)]
    assert isinstance(made[-1].audio, Samples)
    long = Samples(np.tile(made[-1].audio.values, 2))
    clips.append(Clip("long", audio=long, text=TEXTS[0]))
    if "audio" not in ensemble.modalities:
        return [replace(each, audio=None) for each in clips]
    if "text" not in ensemble.modalities:
        return [replace(each, text=None) for each in clips]
    return [*clips, Clip("mute", audio=made[1].audio)]


def nothing(_number: int, _total: int) -> None:
    """Ignore the progress."""


@pytest.mark.parametrize(("variant", "kind"), KINDS)
def test_a_model_on_miniatures_is_equal(write: Callable[[str, str], Written], variant: str, kind: WordsKind) -> None:
    written = write(variant, "tiny")
    clips = clips_for(written.ensemble)
    found = compared(written.onnx, written.ensemble, clips, words=written.words, done=nothing)
    assert len(found) == len(clips)
    assert max(each.difference for each in found) <= TOLERANCE == 1e-4
    assert written.onnx.facts.words == kind
    calibrated = written.ensemble.calibrated(written.ensemble.raw(clips))
    assert np.ptp(calibrated, axis=0).max() > 100 * TOLERANCE, "clips that are alike would show nothing"


def test_a_model_that_is_not_equal_is_refused_with_the_clip(write: Callable[[str, str], Written]) -> None:
    written = write("foal-net:audio-only", "lite")
    short = Clip("short", audio=Samples(np.zeros(RATE_HZ // 16, dtype=np.float32)))
    with pytest.raises(ExportError, match=r"none of the 1 clips has 0\.1 s"):
        compared(written.onnx, written.ensemble, [short], words=None, done=nothing)
    clips = [replace(each, clip_id="the-clip") for each in made_up_clips({"audio"}, seconds=(1.0, 1.0), count=1)]
    assert len(compared(written.onnx, written.ensemble, [short, *clips], words=None, done=nothing)) == 1
    for value in written.ensemble.members[0].model.parameters():
        value.data.mul_(1.5)  # another model than the one that was exported
    with pytest.raises(ExportError, match=r"differ by up to 0\.\d+ on clip the-clip"):
        compared(written.onnx, written.ensemble, clips, words=None, done=nothing)
