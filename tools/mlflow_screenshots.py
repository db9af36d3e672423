"""Screenshots of MLflow's pages for ``docs/tracking.md``, from a finished benchmark on a temporary server.

Usage: ``python -m tools.mlflow_screenshots RUN_DIR --out docs/images``; needs the extra ``merflow[dev]``.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Browser, Page

from merflow.jobs.sync import Uploaded, sync
from tests.tracking.server import Server
from tools.report_screenshots import browser, open_page

WIDTH = 1440
# The filters shown in tracking.md.
VARIANTS = "tags.merflow.kind = 'variant'"
FOLDS = "tags.merflow.kind = 'fold' and tags.variant = 'context-mmt:mmt-frozen'"
# The demo runs on synthetic data, so the published figures carry the papers' own corpus and protocol in their names.
_PUBLISHED = "published/iemocap4/session-5fold/UA"
VARIANT_COLUMNS = ("test_UA", "test_UA_low", "test_UA_high", "test_WA", "test_macro_f1", "test_ece", _PUBLISHED)
FOLD_COLUMNS = ("test_UA", "test_WA", "chosen/epoch", "chosen/dev_ua")
_DEFAULT_COLUMNS = ("Dataset", "Source", "Models")
# The URL parameter that the switch "Model training" sets.
_NO_LANGUAGE_MODELS = "workflowType=machine_learning"
_COLOURS = 128
_PATIENCE_MS = 90_000
# Charts appear once their data has arrived; nothing on the page signals it.
_DRAWN_MS = 5_000


@contextmanager
def uploaded(run: Path) -> Iterator[Uploaded]:
    """Upload the benchmark to a temporary server, which stops when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            yield sync(run, uri=server.uri)[0]
        finally:
            server.kill()


def screenshots(done: Uploaded, out: Path) -> list[Path]:
    """Take ``mlflow-*.png``, the screenshots that ``tracking.md`` shows."""
    client = MlflowClient(done.uri)
    (experiment,) = (each.experiment_id for each in client.search_experiments(filter_string="name = 'merflow'"))
    variants = _ids(client, experiment, VARIANTS)
    fold = _ids(client, experiment, f"{FOLDS} and tags.fold = '1'")[0]
    runs = f"{done.uri}/#/experiments/{experiment}/runs"
    compare = f"?runs={quote(json.dumps(variants))}&experiments={quote(json.dumps([experiment]))}"
    addresses = {
        "variants": _search(runs, VARIANTS, order="metrics.`test_UA`", mode="TABLE"),
        "charts": _search(runs, VARIANTS, order="metrics.`test_UA`", mode="CHART"),
        "compare": f"{done.uri}/#/compare-runs{compare}",
        "folds": _search(runs, FOLDS, order="params.`fold`", mode="TABLE"),
        "fold": f"{runs}/{fold}/model-metrics",
        "machine": f"{runs}/{fold}/system-metrics",
        "benchmark": f"{runs}/{done.run_id}",
        "report": f"{runs}/{done.run_id}/artifacts/report.html",
    }
    prepare: Mapping[str, Callable[[Page], None]] = {
        "variants": lambda page: _columns(page, VARIANT_COLUMNS),
        "charts": lambda page: page.get_by_placeholder("Search metric charts").fill("test_"),
        "folds": lambda page: _columns(page, FOLD_COLUMNS),
        "benchmark": lambda page: page.get_by_text("Show more").first.click(),
    }
    out.mkdir(parents=True, exist_ok=True)
    with browser() as opened:
        return [
            _screenshot(opened, address, out / f"mlflow-{name}.png", prepare=prepare.get(name))
            for name, address in addresses.items()
        ]


def _screenshot(opened: Browser, address: str, path: Path, *, prepare: Callable[[Page], None] | None) -> Path:
    with open_page(opened, f"{address}{'&' if '?' in address else '?'}{_NO_LANGUAGE_MODELS}", width=WIDTH) as page:
        page.set_default_timeout(_PATIENCE_MS)
        page.click("[data-component-id='mlflow.assistant.chat_panel.close']")
        page.wait_for_timeout(_DRAWN_MS)
        if prepare is not None:
            prepare(page)
            page.wait_for_timeout(_DRAWN_MS)
        page.screenshot(path=path)
    with Image.open(path) as image:
        image.quantize(_COLOURS).save(path, optimize=True)
    return path


def _columns(page: Page, chosen: Sequence[str]) -> None:
    """Show these columns in the table of runs, and hide MLflow's default ones."""
    page.get_by_role("button", name="Columns", exact=True).click()
    for name in (*_DEFAULT_COLUMNS, *chosen):
        page.get_by_placeholder("Search columns").fill(name)
        page.get_by_test_id("column-selector-tree").get_by_text(name, exact=True).first.click()
    page.keyboard.press("Escape")


def _search(runs: str, query: str, *, order: str, mode: str) -> str:
    sort = f"orderByKey={quote(order)}&orderByAsc={str('fold' in order).lower()}"
    return f"{runs}?searchFilter={quote(query)}&{sort}&compareRunsMode={mode}"


def _ids(client: MlflowClient, experiment: str, query: str) -> list[str]:
    found = client.search_runs([experiment], query, order_by=["metrics.test_UA DESC"])
    return [run.info.run_id for run in found]


def main() -> None:
    """Run ``python -m tools.mlflow_screenshots``."""
    parser = argparse.ArgumentParser(description="Screenshots of a benchmark's pages in MLflow.")
    parser.add_argument("run", type=Path, help="folder of a finished benchmark")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args()
    with uploaded(chosen.run) as done:
        for path in screenshots(done, chosen.out):
            print(path)


if __name__ == "__main__":
    main()
