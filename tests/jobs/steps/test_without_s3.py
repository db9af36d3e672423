"""A benchmark on a shared folder does not need S3: it runs if boto3 cannot be imported.

That boto3 is loaded would prove nothing, because Great Expectations loads it wherever it is installed.
"""

import os
import subprocess
import sys
from pathlib import Path

from merflow.runs.remote.location import ADDRESS

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
sys.modules.update(dict.fromkeys(("boto3", "botocore", "s3transfer")))
from pathlib import Path
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of
StepByStep(settings_of(Path("workspace"), "mfdr:gru"), Path("artifacts"), pods=False).benchmark()
"""


def run_without_boto3(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run all steps of a benchmark in a fresh interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != ADDRESS}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, env=environment | variables, check=False, capture_output=True, text=True)


def test_all_steps_run_on_a_shared_folder(tmp_path: Path) -> None:
    done = run_without_boto3(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "artifacts/results").is_file()


def test_with_an_address_in_s3_the_first_step_that_needs_it_says_what_to_install(tmp_path: Path) -> None:
    done = run_without_boto3(tmp_path, **{ADDRESS: "s3://bucket/workspace"})
    assert done.returncode != 0
    assert "pip install 'merflow[s3]'" in done.stderr
