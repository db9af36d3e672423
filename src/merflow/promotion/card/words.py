"""Sentences of a model card that depend on the package."""

from collections.abc import Sequence

from merflow.contracts.model_package import ModelPackage
from merflow.contracts.numerals import MINUS, decimal, listed, percent, plural
from merflow.contracts.stress_results import StressRun
from merflow.contracts.use_exception import UseException
from merflow.promotion.card.facts import Measured
from merflow.promotion.card.score_facts import MeasuredScores
from merflow.promotion.gate.evidence import Evidence

_SOUND = {"audio": "the sound of the voice", "video": "the picture of the speaker", "text": "the words"}
_SYNTHETIC = "synthetic"  # name of the generated corpus
_SHOWN = 6
# With fewer dialogues than this, intervals are too narrow.
_FEW_DIALOGUES = 30


def synthetic_line(package: ModelPackage) -> str:
    """Return the first line of the card if the model was trained on synthetic data; empty for real recordings."""
    if not package.synthetic:
        return ""
    named = "the corpus" if package.lineage.corpus == _SYNTHETIC else f"the corpus {package.lineage.corpus}"
    return (
        f"Synthetic data: merflow generated {named}, nobody was recorded, and no figure on this card says anything "
        "about real speech."
    )


def corpus_name(package: ModelPackage) -> str:
    """Return the name of the corpus, marked if it is synthetic."""
    name = package.lineage.corpus
    return f"{name} (synthetic)" if package.synthetic and name != _SYNTHETIC else name


def summary(package: ModelPackage) -> str:
    """Return a paragraph that describes the model."""
    inputs = listed([_SOUND[modality] for modality in package.modalities])
    returned = (
        f"a probability for each of {len(package.classes)} emotions: {listed(package.classes)}"
        if package.scale is None
        else f"its {package.task}, a number from {_number(package.scale[0])} to {_number(package.scale[1])}"
    )
    return f"The model reads {inputs} of one utterance and returns {returned}. {_members(package)}"


def labels(package: ModelPackage) -> tuple[str, str]:
    """Return the kind of the labels, and the labels."""
    if package.scale is None:
        return "classes", f"{', '.join(package.classes)} ({package.taxonomy})"
    return "scale", f"{package.task} from {_number(package.scale[0])} to {_number(package.scale[1])}"


def whose_figures(package: ModelPackage) -> str:
    """Return a sentence about the models behind the card's figures, which are never the packaged weights."""
    unseen = (
        "on the corpus's own test part"
        if package.protocol == "official"
        else "on dialogues and speakers that it had never heard"
    )
    if package.kind == "refit":
        return (
            "These are figures of the procedure: cross-validation trained one model per fold and tested each "
            f"{unseen}. The packaged model was then retrained on all of this data. No test data is left for it, so "
            "it has no test figure of its own."
        )
    return (
        f"These are figures of the fold models one by one, each tested {unseen}. The packaged ensemble averages all of "
        "them. Every test utterance was training data of some member, so the ensemble has no test figure of its own."
    )


def intended_uses(package: ModelPackage, intended: str) -> tuple[str, ...]:
    """Return the uses that the model is meant for."""
    answer = (
        "emotion that listeners would probably name"
        if package.scale is None
        else f"{package.task} that listeners would probably give the utterance"
    )
    return (
        f"Intended use, as the person who wrote this card states it: {intended}.",
        f"Its answer is the {answer}, as annotators did for the training data. It is not what the speaker feels.",
        "A person should look at a result before it has any consequence for the speaker.",
    )


def refused_uses(exception: UseException | None) -> tuple[str, ...]:
    """Return the uses that the model must not serve."""
    recorded = (
        f"{exception.by} recorded an exception for the use {exception.use!r} on {exception.ground} grounds: "
        f"{exception.reason}."
        if exception is not None
        else "No exception is recorded for this model."
    )
    return (
        "At work and in education: the EU AI Act (Regulation (EU) 2024/1689, Article 5(1)(f)) prohibits AI systems "
        f"that infer the emotions of people there. Only medical and safety reasons are exempt. {recorded}",
        "Lie detection, hiring, policing, credit, insurance or any other decision about a person.",
        "Speech of people who have not been told about it.",
    )


def limits(package: ModelPackage, found: Measured | MeasuredScores, stress: StressRun | None) -> tuple[str, ...]:
    """Return the known limitations of the model."""
    shortest, longest = package.training_seconds
    lines = [
        _knows(package),
        f"Training utterances lasted {shortest:.1f} to {longest:.1f} s; shorter and longer ones are new to it.",
        f"It was trained and tested on one corpus, {corpus_name(package)}. Other languages, microphones, ages and "
        "ways of speaking were not tested, and accuracy usually falls there.",
    ]
    if "text" in package.modalities:
        words = {"truth": "transcripts typed by people", "asr": "a speech recognizer's transcripts"}
        known = words.get(package.transcripts or "", "several kinds of transcripts")
        lines.append(f"It learned from {known}; other words may change its answers.")
    if found.dialogues < _FEW_DIALOGUES:
        lines.append(f"There are only {plural(found.dialogues, 'test dialogue')}, so the intervals may be too narrow.")
    lines.extend(_weak_groups(found) if isinstance(found, Measured) else _groups_of_larger_errors(found))
    if stress is None:
        lines.append("The stress suite was not run: nothing is known about noise, telephones, rooms or wrong words.")
    elif stress.failed:
        rest = len(stress.failed) - _SHOWN
        named = ", ".join(stress.failed[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        lines.append(f"In the stress suite it failed: {named}.")
    return tuple(lines)


def _knows(package: ModelPackage) -> str:
    if package.scale is None:
        known = plural(len(package.classes), "emotion")
        return f"It only knows {known}, and calls every utterance one of them or abstains."
    return (
        f"It only predicts {package.task}, one number per utterance: no emotion, and nothing about mixed feelings. A "
        "number may lie a little beyond the scale."
    )


def _number(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def lineage(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Return the sources of the package with their names; unknown ones are marked as such."""
    sources = evidence.package.lineage
    named = (
        ("corpus", f"{sources.corpus}, version {sources.manifest_hash}"),
        ("split id", sources.split_id),
        ("DVC revision", sources.dvc_revision),
        ("commit of the code", sources.git_commit),
        ("image", sources.image),
        ("SBOM", sources.sbom),
        ("MLflow run of the benchmark", sources.benchmark_run),
        ("MLflow run of the variant", sources.variant_run),
        ("folds", ", ".join(sources.fold_fingerprints)),
        ("environment", sources.environment),
        *((f"model {member.folder}", f"SHA-256 {member.digest}") for member in evidence.package.members),
    )
    return tuple((name, value or "unknown") for name, value in named)


def _members(package: ModelPackage) -> str:
    epochs = listed([str(number) for number in package.fold_epochs])
    if package.kind == "refit":
        trained = plural(package.members[0].epochs, "epoch")
        return f"One model was trained on all data for {trained}; the folds had chosen {epochs}."
    return f"It is the mean of {plural(len(package.members), 'fold model')}, whose chosen epochs were {epochs}."


def _weak_groups(found: Measured) -> Sequence[str]:
    """Return a sentence per kind of group whose weakest member is clearly below the strongest."""
    lines = []
    for kind, groups in found.groups.items():
        known = [group for group in groups if group.ua is not None and group.ci95 is not None]
        if len(known) < 2:
            continue
        weakest, strongest = (pick(known, key=lambda group: group.ua or 0.0) for pick in (min, max))
        assert weakest.ci95 is not None
        assert strongest.ci95 is not None
        if weakest.ci95[1] < strongest.ci95[0]:
            figure = "recall" if kind == "emotion" else "UA"
            lines.append(
                f"The {figure} of {kind} {weakest.group} is {percent(weakest.ua)}%, that of {strongest.group} "
                f"{percent(strongest.ua)}%, and their intervals do not overlap."
            )
    return lines


def _groups_of_larger_errors(found: MeasuredScores) -> Sequence[str]:
    """Return a sentence per kind of group whose weakest member has a clearly larger MAE than the strongest."""
    lines = []
    for kind, groups in found.groups.items():
        known = [(group.mae, group.ci95, group.group) for group in groups if group.mae is not None and group.ci95]
        if len(known) < 2:
            continue
        (worst, (low, _), weakest), (best, (_, high), strongest) = max(known), min(known)
        if low > high:
            lines.append(
                f"The MAE of {kind} {weakest} is {decimal(worst)}, that of {strongest} {decimal(best)}, and their "
                "intervals do not overlap."
            )
    return lines
