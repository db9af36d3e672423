"""A finished benchmark without classics and validation, small enough for tests, and packages of it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.calibration_record import Calibration
from merflow.contracts.fold_id import parse_fold_id
from merflow.contracts.model_package import Kind
from merflow.contracts.params import Params
from merflow.contracts.score_calibration import read_any_calibration
from merflow.contracts.tracked_run import read_tracked_run
from merflow.corpus.splitting.splits import read_splits
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.track import track
from merflow.jobs.train import train
from merflow.presets.variants import folds_of
from merflow.promotion.packaging.package import build_package
from merflow.runs.run_folder import RESULTS
from merflow.runs.workspace import Workspace

VARIANT = "context-mmt:mmt-frozen"
"""It hears and reads, and reads the turns around a clip."""


def finish_benchmark(
    release: Path,
    out: Path,
    *,
    variants: Sequence[str],
    params: Params,
    tracked: bool = False,
    corpus: str = "synthetic",
) -> Path:
    """Run the jobs of a benchmark and return its folder."""
    manifest, splits, features = (out / name for name in ("manifest.parquet", "splits.parquet", "features.json"))
    index(release, corpus=corpus, out=manifest, params=params.corpus)
    split(manifest, out=splits, params=params.splits)
    workspace, run = Workspace(out), out / "run.json"
    extract(
        manifest, variants=variants, store=workspace.store, out=features, params=params.features, corpus=params.corpus
    )
    if tracked:
        track(
            manifest,
            splits=splits,
            features=features,
            variants=variants,
            name="tiny",
            workspace=workspace,
            out=run,
            training=params.training,
            seeds=params.plan.seeds,
            params=params.tracking,
        )
        assert read_tracked_run(run).uri == workspace.tracking_uri
    items = folds_of(variants, folds=len(read_splits(splits).folds), seeds=params.plan.seeds)
    folders = [
        train(
            item,
            manifest=manifest,
            splits=splits,
            features=features,
            out=workspace.fold(parse_fold_id(item)),
            checkpoints=workspace.checkpoints,
            params=params.training,
            run=run if tracked else None,
        )
        for item in items
    ]
    evaluate(
        folders,
        manifest=manifest,
        splits=splits,
        results=out / RESULTS,
        report=out / "report.html",
        name="tiny",
        command="merflow benchmark",
        params=params.evaluation,
        run=run if tracked else None,
    )
    return out


def packaged(run: Path, out: Path, *, variant: str = VARIANT, kind: Kind = "ensemble", coverage: float = 0.8) -> Path:
    """Build a package on the CPU and return its folder."""
    build_package(run, variant, kind=kind, out=out, coverage=coverage, device="cpu", progress=lambda *_: None)
    return out


def copy_first_member(ensemble: Path, folder: Path) -> Path:
    """Copy a package with the first fold's model alone, so that its predictions can be compared with the fold's."""
    shutil.copytree(ensemble, folder)
    shutil.rmtree(folder / "members/01")
    described = json.loads((folder / "package.json").read_text())
    described["members"] = described["members"][:1]
    described["files"] = {name: value for name, value in described["files"].items() if "members/01" not in name}
    (folder / "package.json").write_text(json.dumps(described))
    return folder


def emotion_calibration(folder: Path) -> Calibration:
    """Return the calibration of a package of an emotion model."""
    calibration = read_any_calibration(folder)
    assert isinstance(calibration, Calibration)
    return calibration
