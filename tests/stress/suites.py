"""Suites on finished benchmarks, and the files that they leave behind."""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from merflow.contracts.progress import Progress
from merflow.contracts.stress_results import AnyStress
from merflow.contracts.tables import read_table
from merflow.jobs.stress import PAGE, stress
from tests.stress.conftest import VARIANT


def run_suite(
    run: Path,
    out: Path,
    *,
    conditions: tuple[str, ...] | None,
    utterances: int = 20,
    progress: Progress | None = None,
) -> AnyStress:
    """Return the results of a suite of a few utterances."""
    results, _ = stress(
        run,
        VARIANT,
        out=out,
        utterances=utterances,
        seed=0,
        command="merflow stress",
        conditions=conditions,
        device="cpu",
        progress=progress,
    )
    return results


def files_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def kept_predictions(out: Path, condition: str, schema: pa.Schema) -> pd.DataFrame:
    """Return the predictions that a suite kept of a condition, from all folds."""
    tables = [read_table(path, schema)[0] for path in sorted(out.glob(f"predictions/*/{condition}.parquet"))]
    return pd.concat(tables, ignore_index=True)


def interrupt_and_finish(run: Path, out: Path, *, conditions: tuple[str, ...]) -> None:
    """Interrupt a suite after ten predictions, and let a second run finish it without making these again."""

    def interrupt(_stage: str, done: int, total: int) -> None:
        assert total == 5 * (1 + len(conditions))
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(run, out, conditions=conditions, progress=interrupt)
    done = [path for path in out.rglob("*") if path.is_file()]
    assert len(done) == 10
    assert not (out / PAGE).exists()
    for path in done:
        os.utime(path, (1e9, 1e9))
    run_suite(run, out, conditions=conditions)
    assert {path.stat().st_mtime for path in done} == {1e9}, "they are not predicted again"
