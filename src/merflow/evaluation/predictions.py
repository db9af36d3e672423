"""Prediction tables, checked on entry and aligned so that variants can be compared row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.protocols import Protocol
from merflow.contracts.tables import PREDICTIONS, conform
from merflow.errors import EvaluationError

# Allowed distance of a row's sum from 1: probabilities are stored as float32 and may come from bfloat16.
SUM_TOLERANCE = 1e-3
_SHOWN_IDS = 5


@dataclass(frozen=True)
class HeldOut:
    """Data that all variants of a benchmark are tested on.

    Attributes:
        corpus: Name of the corpus.
        manifest_hash: Version of the corpus.
        split_id: Identity of the splits.
        protocol: Protocol of the splits.
        classes: Class order of the probabilities.
        utterances: utterance_id and dialogue_id, at least of the tested utterances; for the breakdowns also session,
            speaker, scripted and duration_s, where the corpus has them.
        folds: Folds that every variant must have; None for every fold from 1 to the highest that any variant has.
        synthetic: True if the corpus is generated.
        published_corpus: The corpus and its emotions as published figures name them; None if no paper used them.
        known_differences: Known differences of the corpus from the real release, in words.
        shared_groups: Speakers and dialogues that an official split has in two parts.
    """

    corpus: str
    manifest_hash: str
    split_id: str
    protocol: Protocol
    classes: tuple[str, ...]
    utterances: pd.DataFrame
    folds: tuple[int, ...] | None = None
    synthetic: bool = False
    published_corpus: str | None = None
    known_differences: tuple[str, ...] = ()
    shared_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariantPredictions:
    """Test predictions of one variant, sorted by seed and utterance: row i is the same test in every variant.

    Attributes:
        variant: ``model:preset``.
        utterance_ids: ``(n,)``; an utterance occurs once per seed.
        folds: ``(n,)`` fold that tested the utterance.
        seeds: ``(n,)`` training seed.
        dialogues: ``(n,)`` dialogue indices, the same for all variants.
        labels: ``(n,)`` class indices.
        probabilities: ``(n, C)``.
    """

    variant: str
    utterance_ids: np.ndarray
    folds: np.ndarray
    seeds: np.ndarray
    dialogues: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """``(n,)`` most likely class of each row; the first of equal ones."""
        most_likely: np.ndarray = self.probabilities.argmax(axis=1)
        return most_likely


def variants_of(predictions: pd.DataFrame, held_out: HeldOut) -> dict[str, VariantPredictions]:
    """Check a table of predictions and split it by variant, in the order of first appearance.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS` of one benchmark, all variants together.
        held_out: Data that the variants were tested on.

    Raises:
        EvaluationError: Rows are missing, duplicated, malformed or of another protocol; or the variants were not
            tested on the same utterances of the same folds and seeds.
        MerflowError: The columns are not those of the schema.
    """
    predictions = conform(predictions, PREDICTIONS, where="predictions").to_pandas()
    if predictions.empty:
        raise EvaluationError("there are no predictions; train at least one variant")
    _check_rows(predictions, protocol=held_out.protocol, classes=held_out.classes)
    dialogue_of = _dialogue_codes(predictions, held_out.utterances)
    folds = held_out.folds
    expected = set(folds) if folds is not None else set(range(1, int(predictions["fold"].max()) + 1))
    variants = {}
    for name, rows in predictions.groupby(predictions["model"] + ":" + predictions["preset"], sort=False):
        _check_variant(str(name), rows, folds=expected)
        variants[str(name)] = _arrays(str(name), rows, dialogue_of=dialogue_of, classes=held_out.classes)
    _check_same_tests(variants)
    return variants


def _check_rows(predictions: pd.DataFrame, *, protocol: str, classes: Sequence[str]) -> None:
    others = sorted(set(predictions["protocol"]) - {protocol})
    if others:
        raise EvaluationError(
            f"predictions of protocol {others} among those of {protocol!r}; evaluate one protocol at a time"
        )
    unknown = predictions[~predictions["label"].isin(classes)]
    if len(unknown):
        raise EvaluationError(
            f"{_row(unknown)}: label {unknown['label'].iloc[0]!r} is not one of the classes {list(classes)} "
            f"({len(unknown)} such rows); evaluate with the taxonomy that the variant was trained on"
        )
    counts = predictions["probabilities"].map(len)
    wrong = predictions[counts != len(classes)]
    if len(wrong):
        count = int(counts.loc[wrong.index[0]])
        raise EvaluationError(
            f"{_row(wrong)}: {count} probabilities for {len(classes)} classes {list(classes)}; evaluate with the "
            "taxonomy that the variant was trained on"
        )
    values = np.stack([np.asarray(row, dtype=np.float64) for row in predictions["probabilities"]])
    sums = values.sum(axis=1)
    bad = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.any():
        row = [round(float(value), 6) for value in values[bad][0]]
        raise EvaluationError(
            f"{_row(predictions[bad])}: probabilities {row} are not a distribution ({int(bad.sum())} such rows); "
            "train this fold again"
        )


def _dialogue_codes(predictions: pd.DataFrame, utterances: pd.DataFrame) -> dict[str, int]:
    """Map utterances to dialogue indices, in alphabetical order of the dialogues."""
    known = utterances.set_index("utterance_id")["dialogue_id"]
    unknown = sorted(set(predictions["utterance_id"]) - set(known.index))
    if unknown:
        raise EvaluationError(
            f"predictions contain utterances that the manifest lacks: {_some(unknown)}; pass the manifest that the "
            "variants were trained on"
        )
    tested = known.loc[sorted(set(predictions["utterance_id"]))]
    codes, _ = pd.factorize(tested, sort=True)
    return dict(zip(tested.index, codes.tolist(), strict=True))


def _check_variant(variant: str, rows: pd.DataFrame, *, folds: set[int]) -> None:
    for seed, of_seed in rows.groupby("seed"):
        present = set(of_seed["fold"])
        if present != folds:
            missing, unexpected = sorted(folds - present), sorted(present - folds)
            problems = [f"missing folds {missing}"] if missing else []
            remedies = ["train the missing folds"] if missing else []
            if unexpected:
                problems.append(f"unexpected folds {unexpected}")
                remedies.append("leave out the folds that these splits do not have")
            raise EvaluationError(f"{variant} seed {seed}: {', '.join(problems)}; {' and '.join(remedies)}")
        doubled = of_seed[of_seed["utterance_id"].duplicated()]
        if len(doubled):
            utterance = doubled["utterance_id"].iloc[0]
            where = of_seed.loc[of_seed["utterance_id"] == utterance, "fold"].tolist()
            raise EvaluationError(
                f"{variant} seed {seed}: utterance {utterance} is predicted {len(where)} times, in folds {where} "
                f"({len(doubled)} such rows); pass every fold once"
            )


def _arrays(
    variant: str, rows: pd.DataFrame, *, dialogue_of: dict[str, int], classes: Sequence[str]
) -> VariantPredictions:
    rows = rows.sort_values(["seed", "utterance_id"])
    index_of = {name: index for index, name in enumerate(classes)}
    return VariantPredictions(
        variant=variant,
        utterance_ids=rows["utterance_id"].to_numpy(dtype=object),
        folds=rows["fold"].to_numpy(dtype=np.int64),
        seeds=rows["seed"].to_numpy(dtype=np.int64),
        dialogues=rows["utterance_id"].map(dialogue_of).to_numpy(dtype=np.int64),
        labels=rows["label"].map(index_of).to_numpy(dtype=np.int64),
        probabilities=np.stack([np.asarray(row, dtype=np.float64) for row in rows["probabilities"]]),
    )


def _check_same_tests(variants: dict[str, VariantPredictions]) -> None:
    first, *others = variants.values()
    tests = set(zip(first.seeds.tolist(), first.utterance_ids.tolist(), strict=True))
    for other in others:
        pair = f"{first.variant} and {other.variant}"
        tests_too = set(zip(other.seeds.tolist(), other.utterance_ids.tolist(), strict=True))
        if tests != tests_too:
            raise EvaluationError(
                f"{pair} were not tested on the same utterances: only the first has {_ids(tests - tests_too)}, only "
                f"the second has {_ids(tests_too - tests)}; compare variants of one split and one set of seeds"
            )
        for what in ("folds", "labels"):
            differs = getattr(first, what) != getattr(other, what)
            if differs.any():
                named = _some(first.utterance_ids[differs].tolist())
                raise EvaluationError(f"{pair} disagree on the {what} of {named}; compare variants of one split")


def _ids(tests: set[tuple[int, str]]) -> str:
    return _some([f"{utterance} (seed {seed})" for seed, utterance in sorted(tests)])


def _row(rows: pd.DataFrame) -> str:
    row = rows.iloc[0]
    return f"{row['model']}:{row['preset']} fold {row['fold']} seed {row['seed']} utterance {row['utterance_id']}"


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN_IDS])
    rest = f" and {len(values) - _SHOWN_IDS} more" if len(values) > _SHOWN_IDS else ""
    return f"{shown}{rest}" if values else "none"
