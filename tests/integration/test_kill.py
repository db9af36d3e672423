"""Tests that a fold killed during extraction or training ends like an undisturbed one."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.params import Params
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.runs.fold_folder import RECORD
from tests.integration.fold_process import Step, start, start_random
from tests.training.random_fold import assert_equal, outcome, train
from tests.training.separable import params as training_params

FULL = (
    "context-mmt:mmt-frozen",
    "foal-net:full",
    "gia-mic:full",
    "layer-adapter-fusion:stc-mf-la",
    "mfdr:full",
)
KILLS = 5  # of the extraction, and as many of the training
EPOCHS = 30


@pytest.fixture(scope="module")
def settings(params: Params) -> Params:
    """Return parameters with small shards, so that many can be lost, and as many epochs."""
    changes = {
        "features": params.features.model_copy(update={"shard_utterances": 4}),
        "training": params.training.model_copy(update={"max_epochs": EPOCHS}),
    }
    return params.model_copy(update=changes)


@pytest.fixture(scope="module")
def corpus(tiny_release: Path, settings: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    index(tiny_release, corpus="iemocap", out=folder / "manifest.parquet", params=settings.corpus)
    split(folder / "manifest.parquet", out=folder / "splits.parquet", params=settings.splits)
    return folder


def run_to_the_end(corpus: Path, work: Path, settings: Params) -> list[Step]:
    process, steps = start(corpus, work, settings)
    told = list(steps)
    process.join()
    assert process.exitcode == 0
    return told


def kill(corpus: Path, work: Path, settings: Params, *, at: int, places: dict[Step, int], delay_s: float) -> None:
    """Start the fold and kill it this long after it has reached a point of the undisturbed run, or later."""
    process, steps = start(corpus, work, settings)
    assert any(places[step] >= at for step in steps)
    time.sleep(delay_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the fold ended before it was killed"


def files(folder: Path) -> dict[str, bytes]:
    """Return content by name, without the hidden files that a killed process may leave and nobody reads."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(name.startswith(".") for name in path.relative_to(folder).parts)
    }


def without_seconds(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return [without_seconds(each) for each in value]
    return {name: each for name, each in value.items() if name != "seconds"}


def test_ten_kills_change_nothing(corpus: Path, settings: Params, tmp_path: Path) -> None:
    undisturbed, work = tmp_path / "undisturbed", tmp_path / "work"
    places = {step: place for place, step in enumerate(run_to_the_end(corpus, undisturbed, settings))}
    training = next(place for (stage, _), place in places.items() if stage.startswith("train"))
    assert len(places) == training + EPOCHS

    chance = random.Random(0)
    moments = chance.sample(range(training), KILLS) + chance.sample(range(training, len(places) - 1), KILLS)
    extractions_hit = 0
    for moment in sorted(moments):
        kill(corpus, work, settings, at=moment, places=places, delay_s=chance.uniform(0, 0.01))
        assert not (work / "fold" / RECORD).exists()
        extractions_hit += not (work / "features.json").exists()
    assert 3 <= extractions_hit <= KILLS
    assert len(list(work.glob("checkpoints/*/checkpoint.safetensors"))) == 1

    run_to_the_end(corpus, work, settings)
    expected, found = files(undisturbed), files(work)
    assert found.keys() == expected.keys()
    timed = {f"fold/{RECORD}", "fold/history.json"}
    equal = expected.keys() - timed - {"features.json"}  # which names the folder
    told = "meta, index and shards of two streams; three tables, the model and what it shows"
    assert len(equal) == 2 * 2 + 18 + 12 + 5 + 1, told
    assert [name for name in equal if found[name] != expected[name]] == []
    for name in timed:
        assert without_seconds(json.loads(found[name])) == without_seconds(json.loads(expected[name]))


@pytest.mark.parametrize("variant", FULL)
def test_every_model_continues_where_it_was_killed(variant: str, tmp_path: Path) -> None:
    """Random state (dropout, order of batches), optimizer moments and the test-selected epoch all resume."""
    settings = training_params(shadow_selection="none-paper", modality_dropout=0.2)
    recipe: dict[str, object] = {"batch_size": 8, "max_epochs": 6, "lr": 0.003}
    chance = random.Random(variant)
    for epoch in (1, 3):
        process, steps = start_random(variant, tmp_path / "killed", settings, recipe)
        assert any(step == ("train", epoch) for step in steps)
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    seen: list[tuple[int, int, object]] = []
    resumed = outcome(
        train(variant, tmp_path / "killed", params=settings, recipe=recipe, progress=lambda *told: seen.append(told))
    )
    assert_equal(resumed, outcome(train(variant, tmp_path / "whole", params=settings, recipe=recipe)))
    assert [epoch for epoch, _, _ in seen] == [1, 2, 3, 4, 5, 6]
