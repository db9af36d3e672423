"""The comparison of a window of traffic with a reference, with everything that a reader should know about it."""

from collections.abc import Mapping

from merflow.contracts.drift_results import DriftResults
from merflow.contracts.numerals import plural
from merflow.evaluation.drift import ALPHA
from merflow.monitoring.checks import FEWEST_LABELS, compare
from merflow.monitoring.reference import Reference
from merflow.monitoring.samples import sample_of
from merflow.monitoring.window import Window, check_labels

MIN_CLIPS = 100


def compared(
    window: Window,
    reference: Reference,
    *,
    model: str,
    version: str,
    labels: Mapping[str, str | float],
    alpha: float = ALPHA,
    min_clips: int = MIN_CLIPS,
) -> DriftResults:
    """Return the results; nothing is compared if the window or the reference has fewer than ``min_clips`` clips.

    Args:
        window: The traffic.
        reference: The reference.
        model: Name of the model.
        version: Its version.
        labels: True class or score by clip_id, for any of the clips.
        alpha: Family-wise level of the checks.
        min_clips: Minimum number of clips.

    Raises:
        MonitoringError: The window has other classes or another task, or the labels belong to other clips.
    """
    elsewhere = check_labels(labels, window.answered)
    sample = sample_of(window.answered, classes=reference.classes, labels=labels)
    enough = min(sample.clips, reference.sample.clips) >= min_clips
    labelled = sum(record.clip_id in labels for record in window.answered)
    facts = DriftResults(
        model=model,
        version=version,
        reference=reference.words,
        reference_clips=reference.sample.clips,
        since=window.since,
        until=window.until,
        clips=sample.clips,
        refused=window.refused,
        left_out=window.left_out,
        labelled=labelled,
        alpha=alpha,
        min_clips=min_clips,
        enough=enough,
        task=None if reference.scale is None else reference.scale.task,
        cautions=(*reference.cautions, *_cautions(window, reference, labelled=labelled, elsewhere=elsewhere)),
    )
    if not enough:
        return facts
    found = compare(
        reference.sample,
        sample,
        classes=reference.classes,
        promised=reference.promised,
        min_clips=min_clips,
        alpha=alpha,
        scale=reference.scale,
    )
    return facts.model_copy(update=vars(found))


def _cautions(window: Window, reference: Reference, *, labelled: int, elsewhere: int) -> list[str]:
    cautions = []
    checked = "accuracy" if reference.classes else "the error"
    if window.left_out:
        cautions.append(f"{plural(window.left_out, 'clip')} of other versions in the logs were left out.")
    if 0 < labelled < FEWEST_LABELS:
        cautions.append(
            f"{plural(labelled, 'label')} came back; checking {checked} and coverage takes {FEWEST_LABELS}."
        )
    if elsewhere:
        cautions.append(f"{plural(elsewhere, 'label')} belong to clips that are not in this window.")
    return cautions
