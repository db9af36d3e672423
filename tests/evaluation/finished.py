"""The results of a small benchmark: three variants, three folds, figures that a reader can add up."""

from typing import Any

import numpy as np

from merflow.contracts.comparisons import Comparison
from merflow.contracts.params import EvaluationParams
from merflow.contracts.published import Paper, PublishedFigure, PublishedRow, PublishedTable
from merflow.contracts.regime import Regime
from merflow.contracts.results import BaselineScore, Results
from merflow.contracts.scores import (
    Accuracy,
    Bias,
    Biases,
    Chance,
    FoldScore,
    Group,
    Interval,
    MissingInput,
    NonePaper,
    OverSeeds,
    ReliabilityBin,
    Spread,
    Training,
    Variant,
)
from merflow.contracts.selection import Selection
from merflow.evaluation.power import power_of

CLASSES = ("angry", "happy", "neutral", "sad")
EVALUATION = EvaluationParams(bootstrap_samples=2000, bootstrap_seed=0, calibration_bins=15, show_words=False)
NAMES = ("context-mmt:mmt-frozen", "context-mmt:mmt-finetuned", "context-mmt:text-only")
SELECTION = Selection(figure="loss", data="speaker")
TRAINING = Training(
    selection=SELECTION,
    regime=Regime(asked=("frozen",), ran=("frozen",)),
    transcripts="truth",
    transcripts_of_preset="truth",
    profile="paper",
    encoders={"speech_layers": "microsoft/wavlm-large@c1423ed, all layers"},
    has_paper_encoders=True,
    modalities=("audio", "text"),
    context=True,
)

_PAPER = Paper(title="On_100% of A|B", venue="Here", year=2024)


def published(test: str, /, inputs: str = "A+T", note: str = "", **values: float) -> tuple[PublishedFigure, ...]:
    """Return figures by metric on a test such as ``iemocap4, session-5fold``."""
    corpus, _, protocol = test.partition(", ")
    return tuple(
        PublishedFigure.model_validate(
            {"metric": metric, "value": value, "corpus": corpus, "protocol": protocol}
            | {"table": "3", "inputs": inputs, "note": note, "uncertain": "perhaps" in note}
        )
        for metric, value in values.items()
    )


_ROWS = (
    PublishedRow(NAMES[0], published("iemocap4, session-5fold", note="the best", WA=76.2, UA=77.3)),
    PublishedRow(NAMES[0], published("mosei, official", note="the best", F1=83.2)),
    PublishedRow(NAMES[1], published("iemocap4, speaker-10fold", note="perhaps another", WA=79.25, UA=80.0)),
    PublishedRow("context-mmt:not-run", published("iemocap4, session-5fold", inputs="A", UA=70.0)),
)
PAPERS = (PublishedTable("context-mmt", _PAPER, "3", _ROWS), PublishedTable("mfdr", _PAPER, "1", _ROWS[:1]))


def variant(share: float, /, **changes: Any) -> Variant:  # noqa: ANN401 - any field
    """Return a variant whose figures all equal this UA."""
    figure = Accuracy(mean=share, std=0.02, pooled=share, ci95=(share - 0.05, share + 0.05))
    values: dict[str, Any] = {
        "ua": figure,
        "wa": figure,
        "macro_f1": share,
        "weighted_f1": share,
        "ece": 0.1,
        "reliability": (),
        "per_class_recall": dict.fromkeys(CLASSES, share),
        "confusion": tuple(map(tuple, (np.eye(4, dtype=int) * 30 + 5).tolist())),
        "chance": Chance(ua=0.25, wa=0.3),
        "breakdowns": {},
        "folds": tuple(fold(number, ua=share) for number in (1, 2, 3)),
        "over_seeds": OverSeeds(ua=Spread(mean=share, std=None), wa=Spread(mean=share, std=None), each=()),
        "none_paper": None,
        "missing": {},
        "training": TRAINING,
        "published": (),
    }
    return Variant(**{**values, **changes})


def fold(number: int, *, ua: float, seed: int = 0, **changes: Any) -> FoldScore:  # noqa: ANN401 - any field
    """Return a fold of a variant of this UA."""
    values: dict[str, Any] = {
        "fold": number,
        "seed": seed,
        "utterances": 40,
        "ua": ua + number / 100,
        **dict.fromkeys(("wa", "macro_f1", "weighted_f1"), ua),
        "ece": 0.1,
        "chosen_epoch": 2,
        "dev_ua": 0.5,
        "dev_loss": 1.0,
    }
    return FoldScore(**{**values, **changes})


def comparison(a: str, b: str, *, delta_ua: float, p: float, **changes: Any) -> Comparison:  # noqa: ANN401 - any field
    """Return a pair of variants with one seed."""
    values: dict[str, Any] = {
        "ci95": (-0.01, 0.2),
        "standard_error": None,
        "p_bootstrap": p / 3,
        "p_mcnemar": 0.0001,
        "p_holm": p,
        "p_mcnemar_holm": 0.0003,
        "over_seeds": None,
    }
    return Comparison(a=a, b=b, delta_ua=delta_ua, **{**values, **changes})


def results_of_three(*, synthetic: bool = True) -> Results:
    """Results of the three variants; only the lead over the last one is significant."""
    variants = {name: variant(ua) for name, ua in zip(NAMES, (0.7, 0.6, 0.5), strict=True)}
    training = TRAINING.model_copy(update={"regime": Regime(asked=("frozen", "partial"), ran=("frozen",))})
    variants[NAMES[1]] = variant(
        0.6, published=published("iemocap4, session-5fold", UA=77.25, WA=76.5), training=training
    )
    pairs = [(0, 1, 0.1, 0.21), (0, 2, 0.2, 0.003), (1, 2, 0.1, 0.21)]
    return Results(
        corpus="synthetic" if synthetic else "iemocap",
        synthetic=synthetic,
        published_corpus=None if synthetic else "iemocap4",
        manifest_hash="0123456789abcdef",
        split_id="fedcba9876543210",
        protocol="session-5fold",
        classes=CLASSES,
        class_counts=(35, 36, 37, 38),
        utterances=146,
        dialogues=12,
        seeds=(0,),
        evaluation=EVALUATION,
        resamples=2000,
        variants=variants,
        comparisons=tuple(comparison(NAMES[a], NAMES[b], delta_ua=delta, p=p) for a, b, delta, p in pairs),
        power=power_of([], utterances=146, dialogues=12),
        baselines={},
        classics={},
        classic_comparisons=(),
        text_leak=None,
    )


def changed(results: Results, name: str, **fields: object) -> Results:
    """Return the results with other values in one variant."""
    variants = {**results.variants, name: results.variants[name].model_copy(update=fields)}
    return results.model_copy(update={"variants": variants})


def side_columns() -> dict[str, Any]:
    """``none_paper`` and ``missing`` of a variant of UA 0.7."""
    figure = Accuracy(mean=0.75, std=0.01, pooled=0.75, ci95=(0.7, 0.8))
    bias = Bias(pooled=0.05, ci95=(0.01, 0.09))
    without_audio = Accuracy(mean=0.75, std=0.01, pooled=0.4)
    return {
        "none_paper": NonePaper(ua=figure, wa=figure, bias=Biases(ua=bias, wa=bias)),
        "missing": {"audio": MissingInput(ua=without_audio, wa=without_audio, delta_ua=-0.3)},
    }


def with_statistics(results: Results) -> Results:
    """Return the results with breakdowns, reliability, power and baselines."""
    for name, entry in results.variants.items():
        results = changed(results, name, breakdowns=_breakdowns(entry.ua.pooled), reliability=_reliability(name))
    baselines = {
        "majority": BaselineScore(ua=0.25, wa=0.26, ci95=None, description="always the most frequent emotion"),
        "side only": BaselineScore(ua=0.28, wa=0.27, ci95=(0.2, 0.36), description="who is filmed"),
    }
    power = results.power.model_copy(update={"detectable_ua": 0.083})
    return results.model_copy(update={"baselines": baselines, "power": power})


def _breakdowns(ua: float) -> dict[str, tuple[Group, ...]]:
    rows: tuple[tuple[str, int, float, Interval | None], ...] = (
        ("improvised", 86, 0.01, (ua - 0.1, ua + 0.1)),
        ("scripted", 60, -0.02, None),
    )
    setting = tuple(
        Group(group=group, utterances=count, classes=4, ua=ua + change, wa=ua, ci95=ends)
        for group, count, change, ends in rows
    )
    return {"setting": setting, "session": ()}


def _reliability(name: str) -> tuple[ReliabilityBin, ...]:
    return (
        ReliabilityBin(low=0.25, high=0.5, utterances=100, confidence=0.45, accuracy=0.4),
        ReliabilityBin(low=0.5, high=0.75, utterances=46, confidence=0.6, accuracy=len(name) / 50),
    )
