"""Rows of prediction tables for any task: the checks on entry, and the tests that all variants share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.joined import CrossCorpus
from merflow.contracts.protocols import Protocol
from merflow.errors import EvaluationError

_SHOWN_IDS = 5


@dataclass(frozen=True, kw_only=True)
class HeldOutData:
    """Data that all variants of a benchmark are tested on.

    Attributes:
        corpus: Name of the corpus.
        manifest_hash: Version of the corpus.
        split_id: Identity of the splits.
        protocol: Protocol of the splits.
        utterances: utterance_id and dialogue_id, at least of the tested utterances; for the breakdowns also session,
            speaker, gender, scripted and duration_s, where the corpus has them.
        folds: Folds that every variant must have; None for every fold from 1 to the highest that any variant has.
        synthetic: True if the corpus is generated.
        published_corpus: The corpus and its labels as published figures name them; None if no paper used them.
        known_differences: Known differences of the corpus from the real release, in words.
        shared_groups: Speakers and dialogues that an official split has in two parts.
        cross_corpus: The corpora that were trained on and tested, where corpora were joined.
    """

    corpus: str
    manifest_hash: str
    split_id: str
    protocol: Protocol
    utterances: pd.DataFrame
    folds: tuple[int, ...] | None = None
    synthetic: bool = False
    published_corpus: str | None = None
    known_differences: tuple[str, ...] = ()
    shared_groups: tuple[str, ...] = ()
    cross_corpus: CrossCorpus | None = None


@dataclass(frozen=True)
class AlignedRows:
    """Tests of one variant, sorted by seed and utterance: row i is the same test in every variant.

    Attributes:
        variant: ``model:preset``.
        utterance_ids: ``(n,)``; an utterance occurs once per seed.
        folds: ``(n,)`` fold that tested the utterance.
        seeds: ``(n,)`` training seed.
        dialogues: ``(n,)`` dialogue indices, the same for all variants.
        labels: ``(n,)`` class indices or scores.
    """

    variant: str
    utterance_ids: np.ndarray
    folds: np.ndarray
    seeds: np.ndarray
    dialogues: np.ndarray
    labels: np.ndarray

    @property
    def tests(self) -> list[tuple[int, int]]:
        """Folds and seeds, sorted."""
        return sorted(set(zip(self.folds.tolist(), self.seeds.tolist(), strict=True)))

    def of_test(self, fold: int, seed: int) -> np.ndarray:
        """Return the mask ``(n,)`` of the rows of a fold and seed."""
        mask: np.ndarray = (self.folds == fold) & (self.seeds == seed)
        return mask


def rows_by_variant(predictions: pd.DataFrame, held_out: HeldOutData) -> dict[str, pd.DataFrame]:
    """Check the folds, utterances and protocol of a table of predictions, and split it by variant.

    Args:
        predictions: Rows of one benchmark, all variants together.
        held_out: Data that the variants were tested on.

    Returns:
        Rows per variant, in the order of first appearance, sorted by seed and utterance. ``dialogue`` is a column with
        the index of the dialogue, in alphabetical order of the dialogues.

    Raises:
        EvaluationError: There are no rows, or they are missing, duplicated or of another protocol.
    """
    if predictions.empty:
        raise EvaluationError("there are no predictions; train at least one variant")
    if others := sorted(set(predictions["protocol"]) - {held_out.protocol}):
        raise EvaluationError(
            f"predictions of protocol {others} among those of {held_out.protocol!r}; evaluate one protocol at a time"
        )
    dialogue_of = _dialogue_codes(predictions, held_out.utterances)
    folds = held_out.folds
    expected = set(folds) if folds is not None else set(range(1, int(predictions["fold"].max()) + 1))
    by_variant = {}
    for name, rows in predictions.groupby(predictions["model"] + ":" + predictions["preset"], sort=False):
        _check_variant(str(name), rows, folds=expected)
        ordered = rows.sort_values(["seed", "utterance_id"])
        by_variant[str(name)] = ordered.assign(dialogue=ordered["utterance_id"].map(dialogue_of))
    return by_variant


def check_same_tests(variants: Mapping[str, AlignedRows]) -> None:
    """Raise if variants were not tested on the same utterances of the same folds and seeds.

    Raises:
        EvaluationError: Two variants differ; the message names utterances.
    """
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


def facts_of(held_out: HeldOutData, tested: AlignedRows, *, dialogues: int, resamples: int) -> dict[str, Any]:
    """Return the facts of :class:`merflow.contracts.results.Evaluated`, by name.

    Args:
        held_out: Data that the variants were tested on.
        tested: The tests of any variant.
        dialogues: Number of dialogues.
        resamples: Bootstrap resamples.
    """
    return {
        "corpus": held_out.corpus,
        "manifest_hash": held_out.manifest_hash,
        "split_id": held_out.split_id,
        "protocol": held_out.protocol,
        "utterances": len(set(tested.utterance_ids.tolist())),
        "dialogues": dialogues,
        "seeds": tuple(sorted(set(tested.seeds.tolist()))),
        "resamples": resamples,
    }


def benchmark_facts_of(held_out: HeldOutData) -> dict[str, Any]:
    """Return the further facts about the test data in a benchmark's results, by name."""
    return {
        "synthetic": held_out.synthetic,
        "published_corpus": held_out.published_corpus,
        "known_differences": held_out.known_differences,
        "shared_groups": held_out.shared_groups,
        "cross_corpus": held_out.cross_corpus,
    }


def row_name(rows: pd.DataFrame) -> str:
    """Return a description of the first row, for an error message."""
    row = rows.iloc[0]
    return f"{row['model']}:{row['preset']} fold {row['fold']} seed {row['seed']} utterance {row['utterance_id']}"


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


def _ids(tests: set[tuple[int, str]]) -> str:
    return _some([f"{utterance} (seed {seed})" for seed, utterance in sorted(tests)])


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN_IDS])
    rest = f" and {len(values) - _SHOWN_IDS} more" if len(values) > _SHOWN_IDS else ""
    return f"{shown}{rest}" if values else "none"
