"""Packaging of a variant in a pipeline, which keeps folds and files in different places.

The packaging and the stress suite read the folder of a finished benchmark. Such a folder is assembled from links in the
workspace, where an interrupted step finds its checkpoint, models and predictions again.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from merflow.contracts.model_package import CARD_HTML
from merflow.contracts.progress import Progress
from merflow.contracts.promotion_settings import BEST
from merflow.errors import PromotionError
from merflow.jobs.register import PackageSettings, best_of, build, package_folder
from merflow.jobs.stress import PAGE
from merflow.promotion.packaging.benchmarked import find_variant
from merflow.promotion.packaging.lineage import variant_run_of
from merflow.runs.run_folder import RESULTS
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest, output_errors

# Artifact of a pipeline -> its name in the folder of a benchmark.
_NAMES = {
    "manifest": "manifest.parquet",
    "splits": "splits.parquet",
    "features": "features.json",
    "results": RESULTS,
    "run": "run.json",
}
_NO_SUITE = "<p>The stress suite was left out: <code>stress_utterances</code> is 0.</p>\n"


def put_together(workspace: Workspace, folds: Sequence[Path], *, artifacts: Mapping[str, Path]) -> Path:
    """Return a folder with links to these folds and artifacts, laid out like the folder of a finished benchmark.

    The same folds always have the same folder.

    Args:
        workspace: The workspace.
        folds: Folders of all folds.
        artifacts: ``manifest``, ``splits``, ``features``, ``results`` and ``run``.

    Raises:
        OutputError: The workspace cannot be written.
    """
    folder = workspace.benchmark(digest(sorted(fold.name for fold in folds)))
    with output_errors(folder):
        for name, file in _NAMES.items():
            _link(folder / file, artifacts[name])
        for fold in folds:
            for path in fold.rglob("*"):
                if path.is_file():
                    _link(folder / "folds" / fold.name / path.relative_to(fold), path)
    return folder


def package(
    run: Path,
    variant: str,
    *,
    settings: PackageSettings,
    out: Path,
    card: Path,
    page: Path,
    progress: Progress | None = None,
) -> str:
    """Package a variant of a benchmark with a run in MLflow; return the variant.

    Args:
        run: Folder of the benchmark; the package is built below it and copied.
        variant: ``model:preset``, or ``best``.
        settings: Settings of the package.
        out: Folder for the package.
        card: HTML file for the card.
        page: HTML file for the page of the stress suite.
        progress: Notified of folds, epochs and conditions.

    Raises:
        PromotionError: MLflow has no run of the variant for a version to belong to.
        MerflowError: See :func:`merflow.jobs.register.build`.
    """
    chosen = best_of(run) if variant == BEST else variant
    if not variant_run_of(find_variant(run, chosen)):
        raise PromotionError(
            f"MLflow has no run of {chosen}, to which a version belongs; upload the benchmark with `merflow tracking "
            "sync` on its workspace, and start the pipeline again"
        )
    made = package_folder(run, chosen, settings.kind)
    count = settings.stress_utterances
    build(
        run,
        chosen,
        out=made,
        settings=settings,
        command=f"merflow stress {run} {chosen} --utterances {count}",
        progress=progress,
    )
    with output_errors(out):
        shutil.copytree(made, out, dirs_exist_ok=True)
        shutil.copyfile(made / CARD_HTML, card)
        if count:
            shutil.copyfile(run / "stress" / Path(*chosen.split(":")) / PAGE, page)
        else:
            page.write_text(_NO_SUITE, encoding="utf-8")
    return chosen


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())
