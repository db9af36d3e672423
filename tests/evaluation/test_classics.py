import numpy as np
import pandas as pd
import pytest

from merflow.errors import EvaluationError
from merflow.evaluation.classics import (
    Classics,
    Reads,
    classic_comparisons,
    classics_of,
    comparable,
)
from merflow.evaluation.predictions import HeldOut, VariantPredictions
from merflow.evaluation.spread import resample
from merflow.evaluation.text_leak import text_leak
from tests.contracts.records import classic_record

_DIALOGUES = np.repeat(np.arange(10), 8)
_LABELS = np.tile(np.arange(4), 20)
_IDS = np.array([f"u{row:02d}" for row in range(80)], dtype=object)


def _predictions(name: str, wrong: np.ndarray, *, seeds: int = 1) -> VariantPredictions:
    predicted = np.where(wrong, (_LABELS + 1) % 4, _LABELS)
    rows = np.tile(np.arange(80), seeds)
    return VariantPredictions(
        variant=name,
        utterance_ids=_IDS[rows],
        folds=np.ones(len(rows), dtype=np.int64),
        seeds=np.repeat(np.arange(seeds), 80),
        dialogues=_DIALOGUES[rows],
        labels=_LABELS[rows],
        probabilities=np.eye(4)[predicted][rows],
    )


def test_a_variant_is_compared_with_what_reads_no_more() -> None:
    both = Reads(("audio", "text"), context=False, transcripts="truth")
    assert comparable(classic_record("tfidf"), both)
    assert comparable(classic_record("audio", modalities=("audio",), transcripts=None), both)
    assert comparable(classic_record("fusion", modalities=("audio", "text")), both)
    assert not comparable(classic_record("context", context=True), both)
    assert not comparable(classic_record("asr", transcripts="asr"), both)
    assert not comparable(classic_record("leak", leak=True), both)
    assert not comparable(classic_record("tfidf"), Reads(("audio",), context=False, transcripts=None))
    assert comparable(
        classic_record("asr", transcripts="asr"), Reads(("text",), context=False, transcripts="asr+truth")
    )


def test_seeds_of_a_variant_do_not_change_the_difference() -> None:
    wrong = np.arange(80) % 5 == 0
    classics = Classics(
        {"classic:tfidf": classic_record("tfidf")}, {"classic:tfidf": _predictions("classic:tfidf", wrong)}
    )
    reads = {"m:p": Reads(("text",), context=False, transcripts="truth")}
    rows = []
    for seeds in (1, 3):
        variants = {"m:p": _predictions("m:p", np.zeros(80, dtype=bool), seeds=seeds)}
        drawn = {"groups": 10, "classes": 4, "samples": 200, "seed": 0}
        resampled = {**resample(variants, **drawn), **resample(classics.predictions, **drawn)}
        rows.append(classic_comparisons(variants, classics, resampled, reads=reads, groups=10)[0])
    assert rows[0] == rows[1]
    assert rows[0].delta_ua == pytest.approx(0.2)
    assert rows[0].ci95 is not None
    assert rows[0].ci95[0] <= 0.2 <= rows[0].ci95[1]


def test_the_leak_is_what_tfidf_loses_on_scripted_utterances() -> None:
    scripted = _DIALOGUES < 5
    classics = Classics(
        {
            "classic:tfidf": classic_record("tfidf"),
            "classic:tfidf-unseen-lines": classic_record("tfidf-unseen-lines", leak=True),
        },
        {
            "classic:tfidf": _predictions("classic:tfidf", ~scripted & (np.arange(80) % 8 < 4)),
            "classic:tfidf-unseen-lines": _predictions("classic:tfidf-unseen-lines", np.arange(80) % 8 < 4),
        },
    )
    utterances = pd.DataFrame({"utterance_id": _IDS, "scripted": scripted})
    sizes = {"classes": 4, "groups": 10, "samples": 200, "seed": 0}
    leak = text_leak({}, classics, utterances, **sizes)
    assert leak is not None
    assert leak.gaps["classic:tfidf"].gap == pytest.approx(0.5)
    assert leak.gaps["classic:tfidf"].ci95 == pytest.approx((0.5, 0.5))
    assert leak.gaps["classic:tfidf-unseen-lines"].gap == pytest.approx(0.0)
    (learned,) = leak.learned
    assert (learned.group, learned.utterances) == ("scripted", 40)
    assert (learned.ua, learned.ua_unseen, learned.leak) == pytest.approx((1.0, 0.5, 0.5))
    everything = text_leak({}, classics, utterances.drop(columns="scripted"), **sizes)
    assert everything is not None
    assert not everything.gaps
    assert everything.learned[0].group == "all"
    assert everything.learned[0].leak == pytest.approx(0.25)


def test_other_utterances_than_the_variants_are_refused() -> None:
    held_out = HeldOut(
        corpus="table",
        manifest_hash="m",
        split_id="s",
        protocol="session-5fold",
        classes=("angry", "happy", "neutral", "sad"),
        utterances=pd.DataFrame({"utterance_id": _IDS, "dialogue_id": _DIALOGUES.astype(str)}),
        folds=(1,),
    )
    table = pd.DataFrame(
        {
            **{"run": "r", "model": "classic", "preset": "tfidf", "protocol": "session-5fold", "fold": 1, "seed": 0},
            "utterance_id": _IDS[:40],
            "label": np.array(held_out.classes)[_LABELS[:40]],
            "probabilities": list(np.full((40, 4), 0.25)),
        }
    )
    variant = _predictions("m:p", np.zeros(80, dtype=bool))
    with pytest.raises(EvaluationError, match="classic:tfidf was not tested on the 80 utterances of m:p; run `merflow"):
        classics_of([classic_record("tfidf")], table, held_out, like=variant)
