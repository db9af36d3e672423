"""Finished benchmarks on corpora whose labels differ in loudness, so that a model of loudness alone is right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from merflow.contracts.params import Params
from merflow.contracts.task import TaskName
from merflow.corpus.manifest import read_manifest
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train

VARIANT = "context-mmt:mmt-frozen"
LEVELS_DB = {"angry": -6.0, "happy": -18.0, "neutral": -30.0, "sad": -42.0}
LOUDEST_DB, DB_PER_STEP = -6.0, -9.0


def level_of_valence(valence: float) -> float:
    """Return the level of a score from 1 to 5 in dB."""
    return LOUDEST_DB + DB_PER_STEP * (valence - 1)


def level_out(manifest: Path, *, column: str, level_of: Callable[[Any], float]) -> None:
    """Replace every labelled recording by noise of the same length, at the level of its label."""
    corpus = read_manifest(manifest)
    labelled = corpus.rows[corpus.rows[column].notna()]
    for number, (row, label) in enumerate(zip(labelled.itertuples(), labelled[column], strict=True)):
        noise = np.random.default_rng(number).normal(0, 0.3, row.n_samples)
        loud = np.clip(noise * 10 ** (level_of(label) / 20), -1, 1)
        soundfile.write(corpus.root / row.audio_path, loud, row.rate_hz, subtype="PCM_16")


def finish(run: Path, params: Params, *, task: TaskName, level_of: Callable[[Any], float]) -> Path:
    """Return the folder of a run: five folds of a model that hears and reads."""
    manifest, splits, features = run / "manifest.parquet", run / "splits.parquet", run / "features.json"
    release = synthesize(run / "corpus", size="tiny")
    index(release, corpus="synthetic", out=manifest, params=params.corpus)
    level_out(manifest, column=task, level_of=level_of)
    split(manifest, out=splits, params=params.splits.model_copy(update={"protocol": "session-5fold", "task": task}))
    extract(
        manifest,
        variants=[VARIANT],
        store=run / "store",
        out=features,
        params=params.features.model_copy(update={"workers": 0}),
        corpus=params.corpus,
    )
    for fold in range(1, 6):
        train(
            f"{VARIANT}:{fold}",
            manifest=manifest,
            splits=splits,
            features=features,
            out=run / "folds" / Path(*VARIANT.split(":")) / f"fold-{fold}",
            checkpoints=run / "checkpoints",
            params=params.training.model_copy(update={"max_epochs": 1, "shadow_selection": "off"}),
        )
    return run


@pytest.fixture(scope="session")
def finished(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on emotions."""
    run = tmp_path_factory.mktemp("stressed") / "run"
    return finish(run, params, task="emotion", level_of=LEVELS_DB.__getitem__)


@pytest.fixture(scope="session")
def finished_scores(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on valence."""
    return finish(tmp_path_factory.mktemp("stressed") / "rated", params, task="valence", level_of=level_of_valence)
