"""The comparison of an exported model with its PyTorch model, clip by clip."""

from collections.abc import Callable, Sequence

import numpy as np

from merflow.contracts.exported_model import CALIBRATED, RAW, ClipDifference
from merflow.contracts.heard import SCORE
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
        words: The input ``words``; None if the model does not read words.
        done: Called after each clip with its number and the number of clips.

    Raises:
        ExportError: No clip is long enough, or a difference is above :data:`TOLERANCE` or not a number.
    """
    differences = []
    for number, clip in enumerate(clips, start=1):
        samples = samples_of(clip) if SAMPLES in exported.facts.inputs else None
        if samples is None or len(samples) >= exported.facts.least_samples:
            differences.append(_difference(exported, ensemble, clip, samples, words))
        done(number, len(clips))
    if not differences:
        raise ExportError(
            f"none of the {len(clips)} clips has {exported.facts.least_samples / RATE_HZ:g} s, so the exported "
            "model cannot be checked; name longer ones with --clips"
        )
    worst = max(differences, key=lambda each: each.difference)
    if not worst.difference <= TOLERANCE:
        outputs = "probabilities" if exported.facts.scale is None else "scores"
        raise ExportError(
            f"the exported model is not equal to PyTorch's: {outputs} differ by up to {worst.difference:.2g} on "
            f"clip {worst.clip_id} ({worst.seconds:.1f} s), but only {TOLERANCE:g} is allowed; nothing was kept"
        )
    return tuple(differences)


def _difference(
    exported: OnnxModel, ensemble: Ensemble, clip: Clip, samples: np.ndarray | None, words: WordsInput | None
) -> ClipDifference:
    raw = ensemble.raw([Clip(clip.clip_id, audio=None if samples is None else Samples(samples), text=clip.text)])
    expected = {CALIBRATED: ensemble.calibrated(raw)[0], RAW: raw[0], SCORE: raw[0]}
    inputs = {} if samples is None else {SAMPLES: samples}
    if words is not None:
        inputs[WORDS] = words.array(clip.text or "")
    apart = np.stack([values - expected[name] for name, values in exported.run(inputs).items()])
    return ClipDifference(
        clip_id=clip.clip_id,
        seconds=0.0 if samples is None else len(samples) / RATE_HZ,
        words=len((clip.text or "").split()),
        emotion=ensemble.classes[int(raw[0].argmax())] if ensemble.classes else None,
        score=None if ensemble.classes else float(raw[0, 0]),
        difference=float(np.nan_to_num(np.abs(apart), nan=1.0).max()),
    )
