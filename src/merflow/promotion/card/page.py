"""The model card of a package: card.md and card.html, from one set of facts."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.model_package import CARD_HTML, CARD_MD
from merflow.contracts.numerals import interval, percent, plural, signed, signed_interval
from merflow.promotion.card import words
from merflow.promotion.card.facts import SAMPLES, measured
from merflow.promotion.card.pictures import confusion_svg, reliability_svg
from merflow.promotion.gate.evidence import Evidence, read_evidence
from merflow.storage.local import replacing

INTENDED = "research on the recognition of emotions in speech"


def write_card(folder: Path, *, intended: str = INTENDED) -> tuple[Path, Path]:
    """Write ``card.md`` and ``card.html`` of a package; both say the same.

    The page makes no request, and can be read offline, on a phone, in the dark, on paper and without JavaScript.

    Args:
        folder: The package, with its evidence.
        intended: The use that the model is meant for, in a few words.

    Returns:
        Both paths.

    Raises:
        ModelError: The folder is no package, or evidence is missing or was changed.
        EvaluationError: Its predictions are incomplete or malformed.
        OutputError: The folder cannot be written.
    """
    facts = _facts(read_evidence(folder), intended=intended)
    rooms = {"report": files("merflow.evaluation.report"), "card": files("merflow.promotion.card")}
    style = "\n".join((rooms[room] / f"{room}.css").read_text(encoding="utf-8") for room in ("report", "card"))
    written = []
    for name, html in ((CARD_MD, False), (CARD_HTML, True)):
        template = _environment(html=html).from_string((rooms["card"] / f"{name}.j2").read_text(encoding="utf-8"))
        with replacing(folder / name) as part:
            part.write_text(template.render(style=style, **facts), encoding="utf-8")
        written.append(folder / name)
    return written[0], written[1]


def _environment(*, html: bool) -> Environment:
    environment = Environment(autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, signed=signed, interval=interval, signed_interval=signed_interval)
    environment.filters.update(cell=lambda value: str(value).replace("|", r"\|").replace("\n", " "))
    environment.globals.update(plural=plural)
    return environment


def _facts(evidence: Evidence, *, intended: str) -> Mapping[str, Any]:
    package, found = evidence.package, measured(evidence)
    series = [("before scaling", found.reliability)]
    if found.reliability_scaled:
        series.append(("after scaling", found.reliability_scaled))
    return {
        "package": package,
        "found": found,
        "calibration": evidence.calibration,
        "everyone": ANY_GROUP,
        "stress": evidence.stress,
        "samples": SAMPLES,
        "synthetic": words.synthetic_line(package),
        "corpus": words.corpus_name(package),
        "summary": words.summary(package),
        "whose": words.whose_figures(package),
        "intended": words.intended_uses(intended),
        "refused": words.refused_uses(evidence.use_exception),
        "limits": words.limits(package, found, evidence.stress),
        "lineage": words.lineage(evidence),
        "confusion": confusion_svg(found.confusion, classes=package.classes),
        "reliability": reliability_svg(series),
    }
