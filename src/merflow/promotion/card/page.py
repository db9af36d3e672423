"""The model card of a package: card.md and card.html, from one set of facts."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.model_package import CARD_HTML, CARD_MD
from merflow.contracts.numerals import (
    decimal,
    decimal_interval,
    interval,
    percent,
    plural,
    signed_decimal,
    signed_decimal_interval,
)
from merflow.contracts.task import Regression
from merflow.evaluation.scores.breakdowns import step_name
from merflow.promotion.card import words
from merflow.promotion.card.facts import SAMPLES, Measured, measured
from merflow.promotion.card.pictures import confusion_svg, reliability_svg
from merflow.promotion.card.score_facts import MeasuredScores, measured_scores
from merflow.promotion.card.score_pictures import truth_svg
from merflow.promotion.card.stress_table import stress_table
from merflow.promotion.gate.evidence import Evidence, read_evidence
from merflow.storage.local import replacing

INTENDED = "research on the recognition of emotions in speech"


def write_card(folder: Path, *, intended: str = INTENDED) -> tuple[Path, Path]:
    """Write ``card.md`` and ``card.html`` of a package; both say the same.

    The page loads nothing, and works offline, on a phone, in dark mode, in print and without JavaScript.

    Args:
        folder: The package, with its evidence.
        intended: The model's intended use, in a few words.

    Returns:
        Both paths.

    Raises:
        ModelError: The folder is not a package, or evidence is missing or was changed.
        EvaluationError: Its predictions are incomplete or malformed.
        OutputError: The folder cannot be written.
    """
    evidence = read_evidence(folder)
    sections, facts = _sections(evidence)
    facts = {**_facts(evidence, facts["found"], intended=intended), **facts}
    rooms = {"report": files("merflow.evaluation.report"), "card": files("merflow.promotion.card")}
    style = "\n".join((rooms[room] / f"{room}.css").read_text(encoding="utf-8") for room in ("report", "card"))
    written = []
    for name, html in ((CARD_MD, False), (CARD_HTML, True)):
        template = _environment(html=html).get_template(f"{name}.j2")
        own = f"{sections}.{name.rpartition('.')[2]}.j2"
        with replacing(folder / name) as part:
            part.write_text(template.render(style=style, sections=own, **facts), encoding="utf-8")
        written.append(folder / name)
    return written[0], written[1]


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(percent=percent, interval=interval, decimal=decimal, decimal_interval=decimal_interval)
    environment.filters.update(signed_decimal=signed_decimal, signed_decimal_interval=signed_decimal_interval)
    environment.filters.update(cell=lambda value: str(value).replace("|", r"\|").replace("\n", " "))
    environment.globals.update(plural=plural)
    return environment


def _template(name: str) -> str:
    return files("merflow.promotion.card").joinpath(name).read_text(encoding="utf-8")


def _facts(evidence: Evidence, found: Measured | MeasuredScores, *, intended: str) -> dict[str, Any]:
    """Return the facts for the sections that all tasks share."""
    package = evidence.package
    return {
        "package": package,
        "calibration": evidence.calibration,
        "everyone": ANY_GROUP,
        "stress": stress_table(evidence.stress),
        "samples": SAMPLES,
        "labels": words.labels(package),
        "synthetic": words.synthetic_line(package),
        "corpus": words.corpus_name(package),
        "summary": words.summary(package),
        "whose": words.whose_figures(package),
        "intended": words.intended_uses(package, intended),
        "refused": words.refused_uses(evidence.use_exception),
        "limits": words.limits(package, found, evidence.stress),
        "lineage": words.lineage(evidence),
    }


def _sections(evidence: Evidence) -> tuple[str, dict[str, Any]]:
    """Return the name of the templates for a task's own sections, and the facts for them."""
    task = evidence.package.predicted
    if isinstance(task, Regression):
        scores = measured_scores(evidence, task)
        return "scores", {
            "section": "Errors",
            "found": scores,
            "step_names": {each.step: step_name(each.step, low=task.low) for each in scores.residuals},
            "by_truth": truth_svg(scores.residuals, task),
        }
    found = measured(evidence)
    series = [("before scaling", found.reliability)]
    if found.reliability_scaled:
        series.append(("after scaling", found.reliability_scaled))
    return "emotions", {
        "section": "Confusion",
        "found": found,
        "confusion": confusion_svg(found.confusion, classes=task.classes),
        "reliability": reliability_svg(series),
    }
