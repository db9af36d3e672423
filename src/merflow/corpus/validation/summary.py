"""The summary page of a validation: one self-contained HTML file."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from merflow.corpus.validation.outcome import ValidationOutcome, group_problems
from merflow.storage.local import replacing

LISTED = 200  # kinds of problem on the page; the quarantine file lists all


def write_summary(outcome: ValidationOutcome, path: Path) -> None:
    """Write the page: verdict, problems, expectations, counts and durations. It loads nothing from the network.

    Raises:
        OutputError: The folder is read-only or the disk is full.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string(
        files("merflow.corpus.validation").joinpath("summary.html.j2").read_text(encoding="utf-8")
    )
    problems = group_problems(outcome.problems)
    page = template.render(
        manifest=outcome.manifest,
        manifest_hash=outcome.manifest.hash,
        success=outcome.success,
        verdict=outcome.verdict,
        checks=outcome.checks,
        unmet=[check for check in outcome.checks if check.failed],
        met=[check for check in outcome.checks if not check.failed],
        problems=problems[:LISTED],
        unlisted=max(len(problems) - LISTED, 0),
        total=len(outcome.problems),
        bad_rows=len({problem.utterance_id for problem in outcome.problems} - {None}),
        corpus_problems=len(outcome.corpus_problems),
        figures=outcome.figures,
        notes=outcome.notes,
        with_emotions=outcome.figures.labelled or not outcome.figures.scores,
        classes=[name for name, count in outcome.figures.emotions.items() if count],
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
