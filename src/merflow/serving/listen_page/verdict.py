"""A recording's emotions or scores in words, and the reasons to doubt them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from merflow.contracts.heard import NOT_SURE, ListeningModel, ScoreScale, short
from merflow.contracts.listening_results import HeardSegment, ListeningResults
from merflow.contracts.numerals import clock_text, listed, plural


@dataclass(frozen=True)
class ListeningVerdict:
    """The page's summary.

    Attributes:
        headline: One line.
        sentences: Further conclusions.
        cautions: Measured reasons for doubt.
    """

    headline: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


def listening_verdict(results: ListeningResults) -> ListeningVerdict:
    """Return the verdict of the results."""
    return ListeningVerdict(_headline(results), tuple(_sentences(results)), tuple(_cautions(results)))


def _headline(results: ListeningResults) -> str:
    if not results.segments:
        return "No speech was found"
    if results.model.scale is not None:
        return _score_headline(results, results.model.scale)
    seconds = {name: value for name, value in results.seconds_of.items() if name != NOT_SURE}
    most = max(seconds, key=seconds.__getitem__)
    if not seconds[most]:
        return "The model is not sure about any segment"
    share = round(100 * seconds[most] / results.speech_s)
    return f"{share}% of the speech sounds {most}" if share > 50 else f"Most often {most}: {share}% of the speech"


def _score_headline(results: ListeningResults, scale: ScoreScale) -> str:
    mean = results.mean_score
    if mean is None:
        return "No segment could be predicted"
    return f"The mean {scale.task} is {short(mean)}, from {scale.low:g} to {scale.high:g}"


def _sentences(results: ListeningResults) -> Iterator[str]:
    segments = plural(len(results.segments), "segment")
    if not results.segments:
        yield f"{clock_text(results.duration_s)} of sound have no speech of {results.settings.shortest_s:g} s or more."
        return
    speech = f"{clock_text(results.speech_s)} of {clock_text(results.duration_s)} are speech, in {segments}."
    yield speech
    unsure_s = results.seconds_of[NOT_SURE]
    if results.model.abstains:
        share = round(100 * unsure_s / results.speech_s)
        yield f"The model is not sure about {share}% of the speech: {_doubt(results.model)}."


def _doubt(model: ListeningModel) -> str:
    if model.scale is None:
        return "it cannot rule out all emotions but one"
    below, above = model.scale.sides
    middle = f"the interval of the score contains the middle of the scale, {model.scale.middle:g}"
    return f"{middle}, so it may be {below} or {above}"


def _cautions(results: ListeningResults) -> Iterator[str]:
    model = results.model
    if model.scale is not None and not model.calibrated:
        yield "Its scores have no intervals, because the model is not calibrated: nothing says how far off they may be."
    elif not model.abstains:
        yield "The model has no thresholds for abstaining, so every segment gets an emotion, however doubtful."
    if model.scale is None and not model.calibrated:
        yield "Its probabilities are not calibrated: 80% does not mean right in 80 of 100 cases."
    counted = {modality for each in results.segments if each.heard for modality in each.heard.modalities}
    missing = [modality for modality in model.modalities if modality not in counted]
    if missing and any(each.heard for each in results.segments):
        advice = "; --transcribe adds the words" if "text" in missing and results.transcription is None else ""
        yield f"The model also reads {listed(missing)}, which this recording does not give it{advice}."
    yield from _measured(results.segments)
    if refused := sum(each.heard is None for each in results.segments):
        yield f"{plural(refused, 'segment')} could not be predicted."
    if results.n_damaged:
        first = results.damaged[0]
        more = f", and {plural(results.n_damaged - 1, 'more part')}" if results.n_damaged > 1 else ""
        yield f"The recording is damaged at {clock_text(first.at_s)} ({first.reason}){more}."


def _measured(segments: tuple[HeardSegment, ...]) -> Iterator[str]:
    """Yield one sentence per kind of warning: the words before its colon, with the number of segments."""
    kinds = Counter(warning.partition(":")[0] for each in segments if each.heard for warning in each.heard.warnings)
    for kind, count in kinds.most_common():
        yield f"{count:,} of {plural(len(segments), 'segment')}: {kind}."
