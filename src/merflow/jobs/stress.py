"""The stress suite on a variant of a finished benchmark."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.stress_results import AnyStress, write_stress
from merflow.stress.finished_variant import read_variant
from merflow.stress.page.page import write_page
from merflow.stress.suite import Suite, SuiteSettings

PAGE = "stress.html"


def stress(
    run: Path,
    variant: str,
    *,
    out: Path | None,
    utterances: int,
    seed: int,
    command: str,
    conditions: Sequence[str] | None = None,
    encoders_folder: str = "",
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[AnyStress, Path]:
    """Test a variant's fold models on changed inputs; write ``stress.json``, ``stress.html`` and the predictions.

    Predictions are kept below ``predictions/`` as soon as they are made, so that the job can be interrupted.

    Args:
        run: Folder of a finished benchmark.
        variant: ``model:preset``, as the run's report names it.
        out: Folder for all of it; None for ``stress/MODEL/PRESET`` in the run.
        utterances: Number of test utterances to draw.
        seed: Seed of the draw, of noise and rooms, and of the resamples.
        command: Command to print on the page.
        conditions: Names of conditions; None for all that apply.
        encoders_folder: ``features.encoders_folder``.
        device: ``cpu``, ``cuda`` or ``auto``.
        progress: Notified of every condition of every fold.

    Returns:
        The results, and the path of the page.

    Raises:
        EvaluationError: ``run`` is not a finished run, or lacks its manifest.
        StressError: A variant or condition is unknown, a condition cannot be tested, or the recordings are not those of
            the training.
        ModelError: A model cannot be loaded.
        FeatureError: An encoder cannot be loaded.
        OutputError: ``out`` cannot be written.
    """
    found = read_variant(run, variant)
    target = out or run / "stress" / Path(*found.name.split(":"))
    settings = SuiteSettings(
        utterances=utterances,
        seed=seed,
        conditions=None if conditions is None else tuple(conditions),
        encoders_folder=encoders_folder,
        device=device,
    )
    suite = Suite(found, out=target, settings=settings)
    for skipped in suite.skipped:
        say(f"stress {found.name}: without {skipped.name}: {skipped.reason}")
    results = suite.run(progress or plain_lines())
    page = write_page(results, target / PAGE, command=command)
    write_stress(target, results)
    say(f"stress {found.name}: {len(results.failed)} of {results.checks} checks failed; {page}")
    return results, page
