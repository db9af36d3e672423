"""Test predictions of a made-up corpus; they are drawn, no model is trained."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

CLASSES = ("angry", "happy", "neutral", "sad")
SESSIONS, DIALOGUES, TURNS = 5, 8, 20
VARIANT = "mfdr:full"


def utterances(*, dialogues: int = DIALOGUES) -> pd.DataFrame:
    """Return the utterances of a made-up corpus: five sessions of two speakers each."""
    rows = [
        {
            "utterance_id": f"Ses{session}_d{dialogue:02}_{turn:03}",
            "dialogue_id": f"Ses{session}_d{dialogue:02}",
            "session": str(session),
            "speaker": f"Ses{session}{'FM'[turn % 2]}",
            "gender": "FM"[turn % 2],
            "duration_s": 2.0 + turn / 10,
        }
        for session in range(1, SESSIONS + 1)
        for dialogue in range(dialogues)
        for turn in range(TURNS)
    ]
    return pd.DataFrame(rows)


def predictions(
    frame: pd.DataFrame,
    *,
    skill: float = 1.0,
    weak: Mapping[str, float] | None = None,
    seeds: tuple[int, ...] = (0,),
    chance: int = 0,
    variant: str = VARIANT,
    classes: tuple[str, ...] = CLASSES,
) -> pd.DataFrame:
    """Draw test predictions; two calls with one ``chance`` and ``skill`` are equal.

    Args:
        frame: Utterances.
        skill: Logit of being right.
        weak: Value of emotion, gender or session -> skill that is lost there.
        seeds: Training seeds.
        chance: Seed of what differs between two models.
        variant: ``model:preset``.
        classes: Class order.
    """
    labels = np.random.default_rng(1).integers(len(classes), size=len(frame))
    ease = np.random.default_rng(2).normal(0, 1, size=len(frame))  # what all models share
    random = np.random.default_rng(1000 + chance)
    loss = sum(
        lost * ((frame["gender"] == of) | (frame["session"] == of) | (np.array(classes)[labels] == of)).to_numpy()
        for of, lost in (weak or {}).items()
    )
    tables = []
    for seed in seeds:
        right = random.random(len(frame)) < 1 / (1 + np.exp(-(skill - loss + ease)))
        predicted = np.where(right, labels, (labels + random.integers(1, len(classes), size=len(frame))) % len(classes))
        confidence = np.clip(0.45 + 0.12 * ease + random.normal(0, 0.12, size=len(frame)), 0.3, 0.97)
        values = np.repeat(((1 - confidence) / (len(classes) - 1))[:, None], len(classes), axis=1)
        values[np.arange(len(frame)), predicted] = confidence
        tables.append(
            tested_rows(frame, seed=seed, variant=variant).assign(
                label=np.array(classes)[labels], probabilities=list(values.astype(np.float32))
            )
        )
    return pd.concat(tables, ignore_index=True)


def tested_rows(frame: pd.DataFrame, *, seed: int, variant: str) -> pd.DataFrame:
    """Return rows of test predictions without labels and predictions."""
    model, _, preset = variant.partition(":")
    return pd.DataFrame(
        {
            "run": f"run{seed}",
            "model": model,
            "preset": preset,
            "protocol": "session-5fold",
            "fold": frame["session"].astype(np.int32),
            "seed": np.int32(seed),
            "utterance_id": frame["utterance_id"],
        }
    )
