"""Support vector machines on functionals."""

from pathlib import Path

import numpy as np

from merflow.classics.folds import folds_of
from merflow.classics.support_vectors import of_functionals, of_functionals_at
from tests.classics.corpora import corpus_of_words, splits_of


def _rows(labels: dict[str, int]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        name: np.append(3.0 * np.eye(4)[label], [0.0, 0.0]) + random.normal(0, 0.3, 6) for name, label in labels.items()
    }


def test_both_kernels_separate_separable_classes_at_any_scale(tmp_path: Path) -> None:
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


def test_a_fixed_cost_is_fitted_on_training_and_development_data(tmp_path: Path) -> None:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    manifest = corpus_of_words(tmp_path)
    fold = folds_of(manifest, splits_of(manifest))[0]
    random = np.random.default_rng(1)
    label_of = {
        name: label for part, names in fold.ids.items() for name, label in zip(names, fold.labels[part], strict=True)
    }
    rows = {name: np.eye(4)[label] + random.normal(0, 0.8, 4) for name, label in label_of.items()}

    def decided(fitted: list[str], asked: list[str]) -> np.ndarray:
        """Fit one machine per emotion, and return the decision values of other utterances."""
        scaler = StandardScaler().fit([rows[name] for name in fitted])
        known, others = (scaler.transform([rows[name] for name in names]) for names in (fitted, asked))
        machines = [
            SVC(C=1.0, kernel="linear", class_weight="balanced").fit(
                known, [label_of[name] == index for name in fitted]
            )
            for index in range(4)
        ]
        return np.stack([machine.decision_function(others) for machine in machines], axis=1)

    outcome = of_functionals_at(fold, rows, cost=1.0)
    train, dev, test = (fold.ids[part] for part in ("train", "dev", "test"))
    logits = np.log(outcome.probabilities)
    expected = decided(train + dev, test)
    centered, wanted = (values - values.mean(axis=1, keepdims=True) for values in (logits, expected))
    temperature = (wanted**2).sum() / (wanted * centered).sum()
    np.testing.assert_allclose(centered * temperature, wanted, atol=0.01)
    hits = decided(train, dev).argmax(axis=1) == fold.labels["dev"]
    assert outcome.dev_ua == np.mean([hits[fold.labels["dev"] == index].mean() for index in range(4)])
    assert outcome.settings == "C 1"
