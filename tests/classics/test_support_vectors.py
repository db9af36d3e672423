from pathlib import Path

import numpy as np

from merflow.classics.folds import folds_of
from merflow.classics.support_vectors import of_functionals
from tests.classics.corpora import corpus_of_words, splits_of


def _rows(labels: dict[str, int]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        name: np.append(3.0 * np.eye(4)[label], [0.0, 0.0]) + random.normal(0, 0.3, 6) for name, label in labels.items()
    }


def test_both_kernels_separate_what_is_separable_whatever_its_scale(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    fold = folds_of(manifest, splits_of(manifest))[0]
    labels = {
        name: label for part, names in fold.ids.items() for name, label in zip(names, fold.labels[part], strict=True)
    }
    rows = _rows(labels)
    first = fold.ids["train"][0]
    rows = {name: row * 1000 + 5 for name, row in rows.items()} | {first: np.full(6, np.nan)}
    for kernel in ("linear", "rbf"):
        outcome = of_functionals(fold, rows, kernel=kernel)
        again = of_functionals(fold, rows, kernel=kernel)
        assert outcome.probabilities.argmax(axis=1).tolist() == fold.labels["test"].tolist()
        assert (outcome.probabilities == again.probabilities).all()
        assert outcome.settings.startswith("C ")
