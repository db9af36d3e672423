"""The jobs as pipelines call them: strings in, files out.

``params`` is a section of ``params.yaml`` as JSON; empty for the section that merflow ships. ``presets`` is the text of
a file of one's own presets; empty for none. Each step imports its job when it is called, so that no step waits for
another's libraries.
"""

from merflow.jobs.steps.benchmark import evaluate, track, train
from merflow.jobs.steps.preparation import extract, index, plan, split, transcribe, validate
from merflow.jobs.steps.tuning import choose, search, tune

__all__ = [
    "choose",
    "evaluate",
    "extract",
    "index",
    "plan",
    "search",
    "split",
    "track",
    "train",
    "transcribe",
    "tune",
    "validate",
]
