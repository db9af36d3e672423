"""An exported model against the PyTorch model that it was made from, clip by clip."""

from collections.abc import Callable, Sequence

import numpy as np

from merflow.contracts.exported_model import ClipDifference
from merflow.corpus.samples import RATE_HZ
from merflow.errors import ExportError
from merflow.exporting.graph import SAMPLES, WORDS
from merflow.exporting.onnx_file import OnnxModel
from merflow.exporting.words_input import WordsInput
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_clips import Clip, Samples
from merflow.inference.media_inputs import samples_of

TOLERANCE = 1e-4


def compared(
    exported: OnnxModel,
    ensemble: Ensemble,
    clips: Sequence[Clip],
    *,
    words: WordsInput | None,
    done: Callable[[int, int], None],
) -> tuple[ClipDifference, ...]:
    """Return the difference of every clip that the model can read.

    Args:
        exported: The exported model.
        ensemble: The PyTorch model.
        clips: Clips with what the model reads.
        words: The input ``words``; None if the model reads none.
        done: Called after each clip with its number and the number of clips.

    Raises:
        ExportError: No clip is long enough, or a difference is above :data:`TOLERANCE` or no number.
    """
    differences = []
    for number, clip in enumerate(clips, start=1):
        samples = samples_of(clip) if SAMPLES in exported.facts.inputs else None
        if samples is None or len(samples) >= exported.facts.least_samples:
            differences.append(_difference(exported, ensemble, clip, samples, words))
        done(number, len(clips))
    if not differences:
        raise ExportError(
            f"none of the {len(clips)} clips has {exported.facts.least_samples / RATE_HZ:g} s, so that the exported "
            "model cannot be checked; name longer ones with --clips"
        )
    worst = max(differences, key=lambda each: each.difference)
    if not worst.difference <= TOLERANCE:
        raise ExportError(
            f"the exported model is not equal to PyTorch's: probabilities differ by up to {worst.difference:.2g} on "
            f"clip {worst.clip_id} ({worst.seconds:.1f} s), and {TOLERANCE:g} is allowed; nothing was kept"
        )
    return tuple(differences)


def _difference(
    exported: OnnxModel, ensemble: Ensemble, clip: Clip, samples: np.ndarray | None, words: WordsInput | None
) -> ClipDifference:
    raw = ensemble.raw([Clip(clip.clip_id, audio=None if samples is None else Samples(samples), text=clip.text)])
    calibrated = ensemble.calibrated(raw)
    inputs = {} if samples is None else {SAMPLES: samples}
    if words is not None:
        inputs[WORDS] = words.array(clip.text or "")
    found, found_raw = exported.probabilities(inputs)
    apart = np.nan_to_num(np.abs(np.stack([found - calibrated[0], found_raw - raw[0]])), nan=1.0)
    return ClipDifference(
        clip_id=clip.clip_id,
        seconds=0.0 if samples is None else len(samples) / RATE_HZ,
        words=len((clip.text or "").split()),
        emotion=ensemble.classes[int(raw[0].argmax())],
        difference=float(apart.max()),
    )
