"""A benchmark of two variants on the tiny synthetic release."""

from pathlib import Path

from merflow.contracts.params import Params
from merflow.contracts.results import Results
from merflow.contracts.score_results import of_emotions
from merflow.corpus.source import CorpusSource
from merflow.jobs.benchmark import benchmark

VARIANTS = ("context-mmt:wavlm-fc-frozen", "context-mmt:mmt-finetuned")


def run(release: Path, params: Params, out: Path, **changes: object) -> Results:
    settings = {"variants": VARIANTS, "name": "test", "command": "merflow benchmark ...", "workers": 1} | changes
    results = benchmark(CorpusSource("iemocap", release), out=out, params=params, **settings)  # type: ignore[arg-type]
    return of_emotions(results)
