"""Commands that only read finished folds load no model, no encoder and no training code."""

import pytest

from tests.jobs.fresh_interpreter import heavy_modules_after

READERS = [
    "merflow.jobs.evaluate",
    "merflow.jobs.compare",
    "merflow.jobs.report",
    "merflow.jobs.plots",
    "merflow.jobs.lineage",
    "merflow.jobs.sync",
    "merflow.jobs.track",
    "merflow.promotion.registry.location",
    "merflow.promotion.registry.audit_page",
    "merflow.runs.fold_folder",
    "merflow.runs.finished_runs",
    "merflow.runs.remembered",
]


@pytest.mark.parametrize("module", READERS)
def test_a_reader_loads_no_model_and_no_encoder(module: str) -> None:
    assert heavy_modules_after(f"import {module}") == []


def test_the_check_sees_a_module_that_loads_a_model() -> None:
    found = heavy_modules_after("import merflow.jobs.explain")
    assert {"torch", "merflow.models.mfdr", "merflow.folds.inputs"} <= set(found)
