"""A benchmark of CMU-MOSEI's processed form on its official split, from the file to the results."""

from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.params import Params
from merflow.contracts.score_results import read_any_results
from merflow.contracts.selection import Selection
from merflow.corpus.splitting.splits import read_splits
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import PromotionError
from merflow.evaluation.report.terminal import results_table
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.promotion.packaging.benchmarked import find_variant
from merflow.runs.fold_folder import read_inspection, read_record
from tests.jobs.conftest import files

VARIANTS = ("mfdr:full", "gia-mic:full")


def folder_of(place: Path, variant: str) -> Path:
    """Return the folder of the variant's only fold, where a benchmark has it."""
    model, preset = variant.split(":")
    return place / "folds" / model / preset / "fold-1"


@pytest.fixture(scope="module")
def trained(mosei_pickles: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of two variants, each trained for one epoch."""
    place = tmp_path_factory.mktemp("official")
    index(
        mosei_pickles / FILES["aligned"],
        corpus="synthetic-mosei-pickle",
        out=place / "manifest.parquet",
        params=params.corpus,
    )
    settings = params.splits.model_copy(update={"protocol": "auto"})
    split(place / "manifest.parquet", out=place / "splits.parquet", params=settings)
    extract(
        place / "manifest.parquet",
        variants=VARIANTS,
        store=place / "store",
        out=place / "features.json",
        params=params.features.model_copy(update={"profile": "mosei"}),
        corpus=params.corpus,
    )
    folds = [
        train(
            f"{variant}:1",
            **files(place),
            out=folder_of(place, variant),
            checkpoints=place / "unfinished",
            params=params.training.model_copy(update={"max_epochs": 1}),
        )
        for variant in VARIANTS
    ]
    evaluate(
        folds,
        manifest=place / "manifest.parquet",
        splits=place / "splits.parquet",
        results=place / "results.json",
        report=place / "report.html",
        name="official",
        command="merflow benchmark",
        params=params.evaluation.model_copy(update={"bootstrap_samples": 200}),
    )
    return place


def test_the_official_development_part_chooses_the_epoch_and_is_named(trained: Path) -> None:
    """Nobody drew a training speaker, although that is the rule of the parameters."""
    splits = read_splits(trained / "splits.parquet")
    assert (splits.development, splits.development_data) == ("speaker", "official")
    assert splits.rows["part"].value_counts().to_dict() == {"train": 60, "dev": 20, "test": 20}
    record = read_record(folder_of(trained, "mfdr:full"))
    assert record.selection == Selection(figure="loss", data="official")
    assert (record.protocol, record.development_data) == ("official", "official")
    assert record.promotable
    results = read_any_results(trained / "results.json")
    found = {name: str(variant.training.selection) for name, variant in results.variants.items()}
    assert found == {
        "mfdr:full": "lowest loss of the official development part",
        "gia-mic:full": "lowest MAE of the official development part",
    }
    caption = str(results_table(results).caption)
    assert "training speaker" not in caption
    assert "lowest loss of the official development part (mfdr:full)" in caption
    page = (trained / "report.html").read_text()
    assert "one training speaker" not in page
    assert "lowest loss of the official development part" in page


def test_a_variant_whose_paper_has_no_sentiment_is_marked_in_every_table(trained: Path) -> None:
    told = "gia-mic:full: encoders frozen; the paper fine-tunes them. gia-mic:full: not from its paper, which has no "
    results = read_any_results(trained / "results.json")
    assert told + "figures of sentiment for it." in str(results_table(results).caption)
    assert str(results_table(results).caption).count("not from its paper") == 1  # mfdr's reports it
    for name in ("report.html", "tables.md"):
        assert "not from its paper, which has no figures of sentiment for it" in (trained / name).read_text()


def test_steps_of_features_without_times_are_numbered(trained: Path) -> None:
    """The corpus has no recordings, so nothing knows how many seconds a step lasts."""
    shown = read_inspection(folder_of(trained, "gia-mic:full"))
    assert shown is not None
    labels = {scale.label for each in shown.utterances for scale in each.scales.values()}
    assert labels == {"audio step", "video step", "token"}
    assert all(
        np.isfinite([scale.first, scale.last]).all() for each in shown.utterances for scale in each.scales.values()
    )


def test_a_variant_of_features_that_came_with_the_corpus_cannot_be_packaged(trained: Path) -> None:
    """Nothing could compute them from a recording; the refusal comes before the refit."""
    with pytest.raises(PromotionError, match="mfdr:full reads speech, text features that came with its corpus"):
        find_variant(trained, "mfdr:full")
