"""The Markdown page next to a splits file."""

from collections.abc import Sequence

from merflow.contracts.numerals import plural
from merflow.contracts.protocols import PARTS
from merflow.contracts.split_params import SplitParams
from merflow.corpus.splitting.fold_facts import FoldFacts
from merflow.corpus.splitting.labelled import in_every_group

_DEVELOPMENT = {
    "speaker": "one random training speaker with at least {floor} {every}",
    "session": "one random training session with at least {floor} {every}",
    "random": "random dialogues, {share:.0%} of the training utterances",
}
_LISTED = 12  # names in a cell


def summary_text(
    folds: Sequence[FoldFacts], *, params: SplitParams, manifest_hash: str, split_id: str, accepted: Sequence[str]
) -> str:
    """Return the page: settings and, per fold, speakers, utterances by part and label, and text that parts share."""
    lines = [
        f"# Splits {split_id}",
        "",
        f"- Task: {params.task}",
        f"- Protocol: {params.protocol}, {len(folds)} fold{'s' if len(folds) > 1 else ''}",
        f"- Development data: {development_in_words(folds, params=params)} (seed {params.seed})",
        f"- Utterances: {'improvised only' if params.improvised_only else 'improvised and scripted'}",
        f"- Manifest: {manifest_hash}",
        *(f"- Known difference from the release: {known}" for known in accepted),
        "",
        _disjoint(folds),
        "",
        *_speakers(folds),
        *_counts(folds),
        *_drawn(folds),
        *_shared(folds),
    ]
    return "\n".join(lines).rstrip() + "\n"


def remarks_on(folds: Sequence[FoldFacts], *, params: SplitParams) -> list[str]:
    """Return warnings about the development data; nothing if all is well."""
    remarks = []
    short = [fold for fold in folds if fold.drawn is not None and fold.drawn.per_class < params.min_dev_per_class]
    if short:
        worst = min(fold.drawn.per_class for fold in short if fold.drawn is not None)
        remarks.append(
            f"no training {params.development} has {params.min_dev_per_class} utterances {_every(folds)} "
            f"(splits.min_dev_per_class) in {_folds(short)}; drew among those with the most, at least {worst} of each"
        )
    if lacking := [fold for fold in folds if fold.lacking("dev")]:
        classes = sorted({name for fold in lacking for name in fold.lacking("dev")})
        remarks.append(f"the development data of {_folds(lacking)} have no {' or no '.join(classes)} utterance")
    return remarks


def _folds(folds: Sequence[FoldFacts]) -> str:
    return f"fold{'s' if len(folds) > 1 else ''} {_names([str(fold.fold) for fold in folds])}"


def development_in_words(folds: Sequence[FoldFacts], *, params: SplitParams) -> str:
    """Return the choice of development data: ``one random training speaker with at least 5 utterances ...``.

    The number is the one that was found in every fold, which is below ``splits.min_dev_per_class`` if too few have it.
    """
    if params.protocol == "official" and folds[0].official_development:
        return "those of the official split"
    floor = min([params.min_dev_per_class, *(fold.drawn.per_class for fold in folds if fold.drawn is not None)])
    development = _DEVELOPMENT[params.development].format(
        share=params.random_share, floor=plural(floor, "utterance"), every=_every(folds)
    )
    by_speaker = params.protocol in ("speaker-10fold", "leave-one-speaker-out", "k-fold")
    if by_speaker and params.development == "speaker":
        return "a dialogue partner of a test speaker, or else " + development
    return development


def _every(folds: Sequence[FoldFacts]) -> str:
    return in_every_group(of_scores=bool(folds[0].scores))


def _disjoint(folds: Sequence[FoldFacts]) -> str:
    shared = [each for fold in folds for each in fold.shared]
    if not shared:
        return "No speaker or dialogue is in both train and test, and no speaker in both dev and test."
    lines = ["The official split has speakers or dialogues in two parts, which is known (splits.shared_speakers):"]
    for parts, column in sorted({(each.parts, each.column) for each in shared}):
        same = [each for each in shared if (each.parts, each.column) == (parts, column)]
        names = _names([each.name for each in same])
        lines.append(f"- {same[0].word}s in both {parts[0]} and {parts[1]}, {len(same)}: {names}")
    return "\n".join([lines[0], "", *lines[1:]])


def _speakers(folds: Sequence[FoldFacts]) -> list[str]:
    rows = [[str(fold.fold), *(_names(fold.speakers[part]) for part in PARTS)] for fold in folds]
    return ["## Speakers", "", *_table(["fold", *PARTS], rows)]


def _counts(folds: Sequence[FoldFacts]) -> list[str]:
    classes = list(folds[0].counts["train"])
    spread = ["mean", "SD"] if folds[0].scores else []
    rows = []
    for fold in folds:
        for part in PARTS:
            counts = fold.counts[part]
            figures = [*(counts[name] for name in classes), sum(counts.values())]
            row = [str(fold.fold), part, *(f"{figure:,}" for figure in figures)]
            if spread:
                row += [f"{fold.scores[part].mean:.2f}", f"{fold.scores[part].deviation:.2f}"]
            rows.append(row)
    nearest = ["Scores are counted by the nearest whole number of the scale.", ""] if spread else []
    return ["## Utterances", "", *nearest, *_table(["fold", "part", *classes, "all", *spread], rows)]


def _drawn(folds: Sequence[FoldFacts]) -> list[str]:
    drawn = [(fold, fold.drawn) for fold in folds if fold.drawn is not None]
    if not drawn:
        return []
    classes = list(folds[0].counts["dev"])
    rows = [
        [
            *(str(fold.fold), draw.name, *(f"{fold.counts['dev'][name]:,}" for name in classes)),
            f"{draw.eligible} of {draw.candidates} with at least {draw.per_class} {_every(folds)}",
        ]
        for fold, draw in drawn
    ]
    return ["## Development data", "", *_table(["fold", "drawn", *classes, "drawn among"], rows)]


def _shared(folds: Sequence[FoldFacts]) -> list[str]:
    names = [
        "fold",
        "test words in train",
        "scripted",
        "improvised",
        "dialogues in dev and train",
        "dialogues in dev and test",
        "utterances left out",
    ]
    rows = []
    for fold in folds:
        text = fold.shared_text
        shares = [_percent(share) for share in (text.overall, text.scripted, text.improvised)]
        figures = [fold.dialogues_dev_train, fold.dialogues_dev_test, fold.left_out]
        rows.append([str(fold.fold), *shares, *(f"{figure:,}" for figure in figures)])
    return [
        "## Overlap between the parts",
        "",
        "Test words in train: the share of test utterances whose words occur as a whole training utterance. Scripts",
        "are repeated in every session; `splits.improvised_only` drops them. Utterances left out share a dialogue",
        "with a test speaker and are not development data, or an official split does not name them.",
        "",
        *_table(names, rows),
    ]


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(names), ["---"] * len(names), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def _names(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_LISTED])} and {more} more"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
