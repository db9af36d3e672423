"""Checks that two packages can be compared at all: the same task, protocol, splits and test utterances."""

from merflow.contracts.gate_decision import Check
from merflow.contracts.model_package import ModelPackage
from merflow.contracts.task import EMOTION
from merflow.errors import EvaluationError
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.evidence import Evidence
from merflow.promotion.gate.figures import figure_of
from merflow.promotion.gate.pairing import same_tests

_AGAIN = "train the candidate on the champion's splits, or register a first champion under another name"


def predictions_check(candidate: Evidence) -> tuple[Check, AlignedRows | None]:
    """Check that the candidate's test predictions are complete, and return them; None if they are not."""
    try:
        found = figure_of(candidate.package.predicted).tested(candidate)
    except EvaluationError as error:
        return _refused("test predictions", f"The test predictions cannot be used: {error}."), None
    utterances, seeds = len(set(found.utterance_ids.tolist())), len(set(found.seeds.tolist()))
    folds = len(set(found.folds.tolist()))
    words = f"Every one of {utterances:,} utterances was tested once per seed ({folds} folds, seeds: {seeds})."
    return Check(name="test predictions", passed=True, sentence=words), found


def same_labels(candidate: Evidence, champion: Evidence) -> Check:
    """Check that both predict the same classes in the same order, or the same score on the same scale."""
    ours, theirs = candidate.package, champion.package
    if not ours.task == theirs.task == EMOTION:
        said = _predicted(ours)
        if ours.predicted == theirs.predicted:
            return Check(name="task", passed=True, sentence=f"Both predict {said}.")
        return _refused("task", f"The candidate predicts {said}, the champion {_predicted(theirs)}.")
    if (ours.taxonomy, ours.classes) == (theirs.taxonomy, theirs.classes):
        words = f"Both predict {', '.join(ours.classes)} ({ours.taxonomy})."
        return Check(name="taxonomy", passed=True, sentence=words)
    return _refused(
        "taxonomy",
        f"The candidate predicts {', '.join(ours.classes)} ({ours.taxonomy}), the champion {', '.join(theirs.classes)} "
        f"({theirs.taxonomy}).",
    )


def _predicted(package: ModelPackage) -> str:
    return (
        package.task if package.scale is None else f"{package.task} from {package.scale[0]:g} to {package.scale[1]:g}"
    )


def same_split(candidate: Evidence, champion: Evidence) -> Check:
    """Check that both were tested with the same protocol on the same splits of the same corpus."""
    ours, theirs = candidate.package, champion.package
    pairs = {
        "corpus": (ours.lineage.corpus, theirs.lineage.corpus),
        "protocol": (ours.protocol, theirs.protocol),
        "split": (ours.lineage.split_id, theirs.lineage.split_id),
    }
    differing = [f"{name} {mine!r} against {other!r}" for name, (mine, other) in pairs.items() if mine != other]
    if differing:
        return _refused("split", f"The two were not tested alike: {'; '.join(differing)}.")
    return Check(name="split", passed=True, sentence=f"Both have split {ours.lineage.split_id} ({ours.protocol}).")


def pairs_check(candidate: AlignedRows | None, champion: Evidence) -> tuple[Check, AlignedRows | None]:
    """Check that both were tested on the same utterances, and return the champion's predictions; None if not."""
    try:
        found = figure_of(champion.package.predicted).tested(champion)
    except EvaluationError as error:
        return _refused("test pairs", f"The champion's test predictions cannot be used: {error}."), None
    if candidate is None:
        return _refused("test pairs", "The candidate's predictions cannot be used, so there are no pairs."), None
    difference = same_tests(candidate, found)
    if difference:
        return _refused("test pairs", f"The two were not tested on the same utterances: {difference}."), None
    utterances = len(set(found.utterance_ids.tolist()))
    words = f"Both were tested on the same {utterances:,} utterances, with the same labels and folds."
    return Check(name="test pairs", passed=True, sentence=words), found


def _refused(name: str, sentence: str) -> Check:
    return Check(name=name, passed=False, sentence=sentence, remedy=_AGAIN[0].upper() + _AGAIN[1:])
