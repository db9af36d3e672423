"""The results of a small benchmark: three variants, three folds, figures that a reader can add up."""

from typing import Any

import numpy as np

from merflow.contracts.params import EvaluationParams
from merflow.contracts.presets import Paper, PublishedRow, PublishedTable

CLASSES = ("angry", "happy", "neutral", "sad")
EVALUATION = EvaluationParams(bootstrap_samples=2000, bootstrap_seed=0, calibration_bins=15, show_words=False)
NAMES = ("context-mmt:mmt-frozen", "context-mmt:mmt-finetuned", "context-mmt:text-only")

_PAPER = Paper(title="On_100% of A|B", venue="Here", year=2024)
_ROWS = (
    PublishedRow(NAMES[0], "iemocap4+mosei", "speaker-10fold", "A+T", {"WA": 76.2, "UA": 77.3, "F1": 83.2}, "the best"),
    PublishedRow("context-mmt:not-run", "iemocap4+mosei", "speaker-10fold", "A", {"UA": 70.0}, ""),
    PublishedRow(NAMES[0], "mosei", "official", "A+T", {"F1": 84.1}, ""),
)
PAPERS = (PublishedTable("context-mmt", _PAPER, "3", _ROWS), PublishedTable("mfdr", _PAPER, "1", _ROWS[:1]))


def variant(ua: float) -> dict[str, Any]:
    """What results hold of a variant of this UA."""
    figure = {"mean": ua, "std": 0.02, "pooled": ua, "ci95": [ua - 0.05, ua + 0.05]}
    fold = {"seed": 0, "utterances": 40, "WA": ua, "macro_f1": ua, "weighted_f1": ua, "ece": 0.1, "best_epoch": 2}
    return {
        "UA": figure,
        "WA": figure,
        "macro_f1": ua,
        "weighted_f1": ua,
        "ece": 0.1,
        "per_class_recall": dict.fromkeys(CLASSES, ua),
        "confusion": (np.eye(4, dtype=int) * 30 + 5).tolist(),
        "chance": {"UA": 0.25, "WA": 0.3},
        "folds": [{**fold, "fold": k, "UA": ua + k / 100, "dev_ua": 0.5, "dev_loss": 1.0} for k in (1, 2, 3)],
        "selection": "lowest dev_loss",
        "stages": ["frozen"],
        "stages_of_preset": ["frozen"],
        "over_seeds": {"UA": {"mean": ua, "std": None}, "WA": {"mean": ua, "std": None}, "each": []},
        "none_paper": None,
        "missing": {},
        "transcripts": "truth",
        "transcripts_of_preset": "truth",
        "published": {},
    }


def results_of_three() -> dict[str, Any]:
    """The content of a ``results.json`` of the three; the first is clearly better than the last alone."""
    variants = {name: variant(ua) for name, ua in zip(NAMES, (0.7, 0.6, 0.5), strict=True)}
    variants[NAMES[1]] |= {"published": {"UA": 77.25, "WA": 76.5}, "stages_of_preset": ["frozen", "partial"]}
    pairs = [(0, 1, 0.1, 0.21), (0, 2, 0.2, 0.003), (1, 2, 0.1, 0.21)]
    return {
        "corpus": "synthetic",
        "manifest_hash": "0123456789abcdef",
        "split_id": "fedcba9876543210",
        "protocol": "session-5fold",
        "classes": list(CLASSES),
        "class_counts": [35, 36, 37, 38],
        "utterances": 146,
        "dialogues": 12,
        "seeds": [0],
        "evaluation": EVALUATION.model_dump(),
        "resamples": 2000,
        "variants": variants,
        "comparisons": [
            {"a": NAMES[a], "b": NAMES[b], "delta_UA": delta, "ci95": [-0.01, 0.2], "p_bootstrap": p / 3,
             "p_mcnemar": 0.0001, "p_holm": p}
            for a, b, delta, p in pairs
        ],
    }  # fmt: skip


def side_columns() -> dict[str, Any]:
    """``none_paper`` and ``missing`` of a variant of UA 0.7."""
    figure = {"mean": 0.75, "std": 0.01, "pooled": 0.75, "ci95": [0.7, 0.8]}
    bias = {"pooled": 0.05, "ci95": [0.01, 0.09]}
    return {
        "none_paper": {"promotable": False, "UA": figure, "WA": figure, "bias": {"UA": bias, "WA": bias}},
        "missing": {"audio": {"UA": figure | {"pooled": 0.4}, "WA": figure, "delta_UA": -0.3}},
    }


def with_statistics(results: dict[str, Any]) -> dict[str, Any]:
    """The results with breakdowns, reliability, power and baselines."""
    for name, entry in results["variants"].items():
        ua = entry["UA"]["pooled"]
        entry["breakdowns"] = {
            "setting": [
                {"group": group, "utterances": count, "UA": ua + change, "WA": ua, "ci95": ends, "classes": 4}
                for group, count, change, ends in (
                    ("improvised", 86, 0.01, [ua - 0.1, ua + 0.1]),
                    ("scripted", 60, -0.02, None),
                )
            ],
            "session": [],
        }
        entry["reliability"] = [
            {"low": 0.25, "high": 0.5, "utterances": 100, "confidence": 0.45, "accuracy": 0.4},
            {"low": 0.5, "high": 0.75, "utterances": 46, "confidence": 0.6, "accuracy": len(name) / 50},
        ]
    for pair in results["comparisons"]:
        pair["p_mcnemar_holm"] = 0.0003
    baselines = {
        "majority": {"UA": 0.25, "WA": 0.26, "ci95": None, "what": "always the most frequent emotion"},
        "side only": {"UA": 0.28, "WA": 0.27, "ci95": [0.2, 0.36], "what": "who is filmed"},
    }
    power = {"alpha": 0.05, "power": 0.8, "utterances": 146, "dialogues": 12, "detectable_UA": 0.083, "note": "rough"}
    return {**results, "baselines": baselines, "power": power}
