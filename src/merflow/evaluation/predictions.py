"""Prediction tables, checked where they enter the room and lined up so that variants can be compared row by row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.tables import PREDICTIONS, conform
from merflow.errors import EvaluationError

# Probabilities are stored as float32 and may come from bfloat16: so far may a row's sum be from 1.
SUM_TOLERANCE = 1e-3
_SHOWN_IDS = 5


@dataclass(frozen=True)
class VariantPredictions:
    """One variant's test predictions, sorted by seed and utterance: row i is the same test in every variant.

    Attributes:
        utterance_ids: ``(n,)``; an utterance occurs once a seed.
        folds: ``(n,)`` fold that tested the utterance.
        seeds: ``(n,)``.
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
        """``(n,)`` most likely class of each row, the first one where two are equal."""
        most_likely: np.ndarray = self.probabilities.argmax(axis=1)
        return most_likely


def variants_of(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame,
    *,
    protocol: str,
    classes: Sequence[str],
    folds: Iterable[int] | None = None,
) -> dict[str, VariantPredictions]:
    """The table of predictions by variant, in the order of first appearance.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS` of one benchmark, all variants together.
        utterances: utterance_id and dialogue_id of the corpus, at least of the tested utterances.
        protocol: What all rows must have been split by.
        classes: Class order of the probabilities.
        folds: Folds that every variant must have; None for every fold from 1 to the highest that any variant has.

    Raises:
        EvaluationError: Rows are missing, doubled, malformed, or of another protocol; or variants were not tested on
            the same utterances of the same folds and seeds.
        MerflowError: The columns are not those of the schema.
    """
    predictions = conform(predictions, PREDICTIONS, where="predictions").to_pandas()
    if predictions.empty:
        raise EvaluationError("predictions hold no row; train one variant at least")
    _check_rows(predictions, protocol=protocol, classes=classes)
    dialogue_of = _dialogue_codes(predictions, utterances)
    expected = set(folds) if folds is not None else set(range(1, int(predictions["fold"].max()) + 1))
    variants = {}
    for name, rows in predictions.groupby(predictions["model"] + ":" + predictions["preset"], sort=False):
        _check_variant(str(name), rows, folds=expected)
        variants[str(name)] = _arrays(str(name), rows, dialogue_of=dialogue_of, classes=classes)
    _check_same_tests(variants)
    return variants


def _check_rows(predictions: pd.DataFrame, *, protocol: str, classes: Sequence[str]) -> None:
    others = sorted(set(predictions["protocol"]) - {protocol})
    if others:
        raise EvaluationError(
            f"predictions are of protocol {others}, not {protocol!r}; evaluate one protocol at a time"
        )
    unknown = predictions[~predictions["label"].isin(classes)]
    if len(unknown):
        raise EvaluationError(
            f"{_row(unknown)}: label {unknown['label'].iloc[0]!r} is none of the classes {list(classes)} "
            f"({len(unknown)} such row(s)); evaluate with the taxonomy that the variant was trained on"
        )
    counts = predictions["probabilities"].map(len)
    wrong = predictions[counts != len(classes)]
    if len(wrong):
        found = int(counts.loc[wrong.index[0]])
        raise EvaluationError(f"{_row(wrong)}: {found} probabilities for {len(classes)} classes {list(classes)}")
    values = np.stack([np.asarray(row, dtype=np.float64) for row in predictions["probabilities"]])
    sums = values.sum(axis=1)
    bad = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.any():
        row = [round(float(value), 6) for value in values[bad][0]]
        raise EvaluationError(
            f"{_row(predictions[bad])}: probabilities {row} are no distribution ({int(bad.sum())} such row(s)); "
            "train this fold again"
        )


def _dialogue_codes(predictions: pd.DataFrame, utterances: pd.DataFrame) -> dict[str, int]:
    """Utterance -> dialogue index, dialogues in alphabetical order."""
    known = utterances.set_index("utterance_id")["dialogue_id"]
    strangers = sorted(set(predictions["utterance_id"]) - set(known.index))
    if strangers:
        raise EvaluationError(f"predictions hold utterances that the corpus lacks: {_some(strangers)}; wrong manifest?")
    tested = known.loc[sorted(set(predictions["utterance_id"]))]
    codes, _ = pd.factorize(tested, sort=True)
    return dict(zip(tested.index, codes.tolist(), strict=True))


def _check_variant(variant: str, rows: pd.DataFrame, *, folds: set[int]) -> None:
    for seed, of_seed in rows.groupby("seed"):
        found = set(of_seed["fold"])
        if found != folds:
            missing, unexpected = sorted(folds - found), sorted(found - folds)
            what = [f"missing folds {missing}"] if missing else []
            mend = ["train the missing ones"] if missing else []
            if unexpected:
                what.append(f"unexpected folds {unexpected}")
                mend.append("leave out those that these splits do not have")
            raise EvaluationError(f"{variant} seed {seed}: {', '.join(what)}; {' and '.join(mend)}")
        doubled = of_seed[of_seed["utterance_id"].duplicated()]
        if len(doubled):
            utterance = doubled["utterance_id"].iloc[0]
            where = of_seed.loc[of_seed["utterance_id"] == utterance, "fold"].tolist()
            raise EvaluationError(
                f"{variant} seed {seed}: utterance {utterance} is predicted {len(where)} times, in folds {where} "
                f"({len(doubled)} such row(s)); give every fold's table once"
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
                f"the second {_ids(tests_too - tests)}; compare variants of one split and one set of seeds"
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
