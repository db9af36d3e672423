"""The core needs none of the extras."""

import subprocess
import sys
from pathlib import Path

EXTRAS = ("mlflow", "kfp", "dvc", "optuna", "great_expectations", "av")

PROGRAM = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
from merflow.cli import app
from merflow.contracts.params_files import read_params
from merflow.jobs import benchmark, evaluate, extract, index, plan, split, steps, track, train, validate

release, out = Path(sys.argv[1]), Path(sys.argv[2])
params = read_params(Path(sys.argv[3]), overrides=("training.max_epochs=1", "splits.protocol=session5-only"))
index.index(release, corpus="synthetic", out=out / "m.parquet", params=params.corpus)
split.split(out / "m.parquet", out=out / "s.parquet", params=params.splits)
extract.extract(out / "m.parquet", variants=["context-mmt:bert-fc-frozen"], store=out / "store",
                out=out / "f.json", params=params.features, corpus=params.corpus)
train.train("context-mmt:bert-fc-frozen:1", manifest=out / "m.parquet", splits=out / "s.parquet",
            features=out / "f.json", out=out / "fold", checkpoints=out / "checkpoints", params=params.training)
evaluate.evaluate([out / "fold"], manifest=out / "m.parquet", splits=out / "s.parquet", results=out / "results.json",
                  report=out / "report.html", name="core", command="", params=params.evaluation)
try:
    validate.validate(out / "m.parquet", out=out / "v.parquet", summary=out / "v.html", docs=out / "docs",
                      params=params.corpus)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_everything_but_validation_runs_without_the_extras(tiny_release: Path, tmp_path: Path) -> None:
    params = Path(__file__).parents[2] / "params.yaml"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tiny_release), str(tmp_path), str(params)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").is_file()
    assert "CorpusError" in done.stdout
    assert "merflow[validation]" in done.stdout
