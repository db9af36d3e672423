"""The Markdown page beside a splits file."""

from collections.abc import Sequence

from merflow.contracts.params import SplitParams
from merflow.contracts.protocols import PARTS
from merflow.corpus.splitting.protocols import FoldFacts

_DEVELOPMENT = {
    "speaker": "one random training speaker",
    "session": "one random training session",
    "random": "random dialogues, {share:.0%} of the training utterances",
}


def summary_text(folds: Sequence[FoldFacts], *, params: SplitParams, manifest_hash: str, split_id: str) -> str:
    """Return the page: settings and, per fold, speakers, utterances by part and class, and text that parts share."""
    development = _DEVELOPMENT[params.development].format(share=params.random_share)
    if (params.protocol, params.development) == ("speaker-10fold", "speaker"):
        development = "the test speaker's dialogue partner, or else " + development
    lines = [
        f"# Splits {split_id}",
        "",
        f"- Protocol: {params.protocol}, {len(folds)} fold{'s' if len(folds) > 1 else ''}",
        f"- Development data: {development} (seed {params.seed})",
        f"- Utterances: {'improvised only' if params.improvised_only else 'improvised and scripted'}",
        f"- Manifest: {manifest_hash}",
        "",
        "No speaker or dialogue is in both train and test, and no speaker in both dev and test.",
        "",
        *_speakers(folds),
        *_counts(folds),
        *_shared(folds),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _speakers(folds: Sequence[FoldFacts]) -> list[str]:
    rows = [[str(fold.fold), *(", ".join(fold.speakers[part]) for part in PARTS)] for fold in folds]
    return ["## Speakers", "", *_table(["fold", *PARTS], rows)]


def _counts(folds: Sequence[FoldFacts]) -> list[str]:
    classes = list(folds[0].counts["train"])
    rows = []
    for fold in folds:
        for part in PARTS:
            counts = fold.counts[part]
            figures = [*(counts[name] for name in classes), sum(counts.values())]
            rows.append([str(fold.fold), part, *(f"{figure:,}" for figure in figures)])
    return ["## Utterances", "", *_table(["fold", "part", *classes, "all"], rows)]


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
        "with the test speaker and are not development data.",
        "",
        *_table(names, rows),
    ]


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(names), ["---"] * len(names), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
