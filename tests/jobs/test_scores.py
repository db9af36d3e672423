"""Folds of a score, from a corpus to predictions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.history import read_history
from merflow.contracts.params import Params
from merflow.contracts.selection import Selection
from merflow.contracts.tables import SCORE_MISSING, SCORE_PREDICTIONS
from merflow.contracts.task import SCALES
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.corpus.synthetic.release import synthesize
from merflow.inference.answers import ScorePrediction
from merflow.inference.ensemble import load_ensemble
from merflow.jobs.classics import classics
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.runs.fold_folder import (
    MODEL,
    read_inspection,
    read_missing,
    read_none_paper,
    read_predictions,
    read_record,
)
from merflow.stress.clips import clips_of
from tests.jobs.conftest import files

FULL = ("context-mmt:mmt-frozen", "foal-net:full", "gia-mic:full", "layer-adapter-fusion:stc-mf-la", "mfdr:full")


@pytest.fixture(scope="module")
def rated(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny corpus with pictures, split by valence, with features of the lite profile."""
    place = tmp_path_factory.mktemp("rated")
    release = synthesize(place / "release", size="tiny", video=True)
    index(release, corpus="synthetic", out=place / "manifest.parquet", params=params.corpus)
    settings = params.splits.model_copy(update={"task": "valence", "protocol": "session5-only"})
    split(place / "manifest.parquet", out=place / "splits.parquet", params=settings)
    extract(
        place / "manifest.parquet",
        variants=FULL,
        store=place / "store",
        out=place / "features.json",
        params=params.features.model_copy(update={"profile": "lite", "workers": 0}),
        corpus=params.corpus,
    )
    return place


@pytest.mark.parametrize("variant", FULL)
def test_every_model_trains_a_fold_and_predicts_scores(rated: Path, params: Params, variant: str) -> None:
    settings: dict[str, Any] = {"max_epochs": 2, "shadow_selection": "none-paper"}
    folder = train(
        f"{variant}:1",
        **files(rated),
        out=rated / "folds" / variant,
        checkpoints=rated / "unfinished",
        params=params.training.model_copy(update=settings),
    )
    record, predicted = read_record(folder), read_predictions(folder)
    assert record.task == SCALES["valence"]
    assert record.classes == ()
    assert record.none_paper is not None
    assert record.none_paper.selection == Selection(figure="mae", data="test")
    assert record.selection.figure in ("loss", "mae")
    assert record.chosen.figures.keys() == {"dev_loss", "dev_mae", "dev_ccc", "dev_pearson"}
    assert len(read_history(folder)) == 2

    assert list(predicted) == SCORE_PREDICTIONS.names
    rows = read_manifest(rated / "manifest.parquet").rows.set_index("utterance_id")
    tested = read_splits(rated / "splits.parquet").rows.query("part == 'test'")["utterance_id"]
    assert predicted["utterance_id"].tolist() == tested.tolist()
    assert predicted["label"].tolist() == rows.loc[tested, "valence"].tolist()
    assert np.isfinite(predicted["score"]).all()
    assert predicted["score"].nunique() > 1
    loaded, manifest = load_ensemble([folder / MODEL], calibration=None), read_manifest(rated / "manifest.parquet")
    clips = list(clips_of(manifest, tested.tolist(), transcripts="truth", reach=loaded.reach).values())
    answers = loaded.predict(clips)
    scores = [each for each in answers if isinstance(each, ScorePrediction)]
    assert all(each.abstained and each.low is each.high is None for each in scores)
    assert [each.clip_id for each in answers] == tested.tolist()
    assert loaded.raw(clips)[:, 0] == pytest.approx(predicted["score"].to_numpy(), abs=1e-5)
    assert [each.score for each in scores] == pytest.approx(predicted["score"].to_numpy(), abs=1e-5)
    missing, none_paper, shown = read_missing(folder), read_none_paper(folder), read_inspection(folder)
    assert missing is not None
    assert none_paper is not None
    assert shown is not None
    assert list(missing) == SCORE_MISSING.names
    assert list(none_paper) == SCORE_PREDICTIONS.names
    assert set(shown.emotions) <= set(SCALES["valence"].groups)
    assert shown.utterances[0].probabilities.keys() == {"valence"}
    assert (folder / MODEL).is_dir()


def test_classics_are_left_out_with_a_line(rated: Path, params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    given = {name: path for name, path in files(rated).items() if name != "manifest"}
    found = classics(
        rated / "manifest.parquet",
        out=rated / "classics",
        cache=rated / "cache",
        params=params.classics,
        corpus=params.corpus,
        **given,
    )
    assert found == ()
    assert "left out, because they choose among classes and these splits are of valence" in capsys.readouterr().err
