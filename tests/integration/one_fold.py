"""The command that trains one fold of a small release, without its output folder."""

from pathlib import Path

from merflow.contracts.params import Params
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split

VARIANT = "mfdr:full"
ITEM = f"{VARIANT}:1"


def train_words(release: Path, params: Params, place: Path, *, epochs: int) -> list[str]:
    """Prepare a release in a folder, and return the words after ``merflow`` that train its first fold on two devices.

    The folder of the fold is left to the caller: the last word is ``--out``.
    """
    manifest, splits, features = (place / name for name in ("manifest.parquet", "splits.parquet", "features.json"))
    index(release, corpus="synthetic", out=manifest, params=params.corpus)
    split(manifest, out=splits, params=params.splits)
    extract(
        manifest,
        variants=[VARIANT],
        store=place / "store",
        out=features,
        params=params.features,
        corpus=params.corpus,
    )
    given = ["--manifest", str(manifest), "--splits", str(splits), "--features", str(features)]
    settings = [f"training.max_epochs={epochs}", "training.devices_per_fold=2", "training.device=cpu"]
    return ["train", ITEM, *given, *(part for each in settings for part in ("--set", each)), "--out"]
