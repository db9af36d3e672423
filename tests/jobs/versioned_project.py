"""A real project with git and DVC, and a fold that was trained at its first revision."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.params import Params
from merflow.corpus.splitting.splits import read_splits
from merflow.jobs.data_versions import recorded_versions
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.lineage import Lineage, lineage
from merflow.jobs.track import track
from merflow.jobs.train import train
from merflow.runs.workspace import Workspace
from merflow.storage.local import file_md5

VARIANT = "context-mmt:bert-fc-frozen"
STAGES = """\
stages:
  split:
    cmd: >-
      merflow data split manifest.parquet --protocol session5-only --set splits.seed=${seed}
      --set splits.development=random --out splits.parquet
    deps: [manifest.parquet]
    outs: [splits.parquet, splits.md]
"""


@dataclass(frozen=True)
class Trained:
    """A project at its second revision, and what was trained at its first."""

    project: Path
    runs: Path
    split_id: str
    md5: str

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.runs / 'mlflow.db'}"

    def lineage(self, reference: object) -> Lineage:
        return lineage(str(reference), uri=self.uri, around=self.project)


def run(project: Path, *words: str) -> str:
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(places), "DVC_SITE_CACHE_DIR": str(project.parent / "site")}
    done = subprocess.run(words, cwd=project, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def revision(project: Path, *, seed: int, tag: str) -> None:
    """Commit splits of another seed."""
    (project / "dvc.yaml").write_text(STAGES.replace("${seed}", str(seed)))
    run(project, "dvc", "repro", "--quiet")
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", f"Splits of seed {seed}")
    run(project, "git", "tag", tag)


def train_in_project(release: Path, folder: Path, *, params: Params) -> Trained:
    """Index a release, train and evaluate one fold at the first revision of a new project; commit a second one."""
    project, runs = folder / "project", folder / "runs"
    project.mkdir()
    run(project, "git", "init", "--quiet")
    run(project, "git", "config", "user.name", "Someone")
    run(project, "git", "config", "user.email", "someone@example.org")
    run(project, "dvc", "init", "--quiet")
    run(project, "dvc", "remote", "add", "--quiet", "--default", "bucket", "s3://versions/merflow")
    manifest, splits = project / "manifest.parquet", project / "splits.parquet"
    index(release, corpus="synthetic", out=manifest, params=params.corpus)
    (project / ".gitignore").write_text("/manifest.parquet\n")
    revision(project, seed=0, tag="v1")
    features = extract(
        manifest,
        variants=[VARIANT],
        store=runs / "store",
        out=runs / "features.json",
        params=params.features,
        corpus=params.corpus,
    )
    tracked = track(
        manifest,
        splits=splits,
        features=features,
        variants=[VARIANT],
        name="lineage",
        workspace=Workspace(runs),
        out=runs / "run.json",
        training=params.training,
        seeds=[0],
        params=params.tracking,
        dvc=recorded_versions(project),
    )
    fold = train(
        f"{VARIANT}:1",
        manifest=manifest,
        splits=splits,
        features=features,
        out=runs / "folds/fold-1",
        checkpoints=runs / "checkpoints",
        params=params.training,
        run=tracked,
    )
    evaluate(
        [fold],
        manifest=manifest,
        splits=splits,
        results=runs / "results.json",
        report=runs / "report.html",
        name="lineage",
        command="",
        params=params.evaluation,
        run=tracked,
    )
    was = read_splits(splits)
    done = Trained(project, runs, was.split_id, file_md5(splits))
    revision(project, seed=1, tag="v2")
    return done
