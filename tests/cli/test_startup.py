"""The command answers at once; heavy libraries are imported only by the jobs that need them."""

import subprocess
import sys

HEAVY = {"boto3", "kfp", "matplotlib", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "soundfile", "torch"}


def test_the_commands_are_listed_without_loading_a_heavy_library() -> None:
    program = "import sys\nfrom merflow.cli import app\nsys.stdout.write(' '.join(sys.modules))"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    imported = set(told.split())
    assert "merflow.cli.app" in imported
    assert imported & HEAVY == set()
