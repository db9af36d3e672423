"""Screenshots of a registered model in MLflow and of its audit page, from a benchmark whose model was promoted.

Usage: ``python -m tools.registry_screenshots RUN_DIR --out docs/images``; needs the extra ``merflow[dev]``.
"""

import argparse
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Browser

from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.audit_page import write_audit_page
from merflow.promotion.registry.location import open_registry
from merflow.promotion.registry.registry import DEFAULT_NAME
from tests.tracking.server import Server
from tools.report_screenshots import browser, open_page

WIDTH = 1440
_COLOURS = 128
# The URL parameter that the switch "Model training" sets.
_NO_LANGUAGE_MODELS = "?workflowType=machine_learning"
# MLflow's tables appear once their data has arrived; nothing on the page signals it.
_DRAWN_MS = 6_000


def screenshots(run: Path, out: Path) -> list[Path]:
    """Take ``registry-*.png``, the screenshots that the docs on promotion show."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{(run / 'mlflow.db').resolve()}"
        server = Server(Path(folder), database=database)
        server.start()
        try:
            page = Path(folder) / "audit.html"
            write_audit_page(audit(open_registry(folder=run)), page)
            client = MlflowClient(server.uri)
            champion = client.get_model_version_by_alias(DEFAULT_NAME, "champion")
            experiment = client.get_experiment_by_name("merflow")
            assert experiment is not None
            addresses = {
                "model": f"{server.uri}/#/models/{DEFAULT_NAME}{_NO_LANGUAGE_MODELS}",
                "version": f"{server.uri}/#/models/{DEFAULT_NAME}/versions/{champion.version}{_NO_LANGUAGE_MODELS}",
                "logged": f"{server.uri}/#/experiments/{experiment.experiment_id}/models{_NO_LANGUAGE_MODELS}",
                "audit": page.as_uri(),
            }
            with browser() as opened:
                return [_taken(opened, each, out / f"registry-{name}.png") for name, each in addresses.items()]
        finally:
            server.kill()


def _taken(opened: Browser, address: str, path: Path) -> Path:
    with open_page(opened, address, width=WIDTH) as page:
        page.wait_for_timeout(_DRAWN_MS)
        closes = page.locator("[data-component-id='mlflow.assistant.chat_panel.close']")
        if closes.count():
            closes.first.click()
            page.wait_for_timeout(_DRAWN_MS)
        page.screenshot(path=path)
    with Image.open(path) as image:
        image.quantize(_COLOURS).save(path, optimize=True)
    return path


def main() -> None:
    """Run ``python -m tools.registry_screenshots``."""
    parser = argparse.ArgumentParser(description="Screenshots of a registered model and its audit page.")
    parser.add_argument("run", type=Path, help="folder of a benchmark whose model was promoted")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args()
    for path in screenshots(chosen.run, chosen.out):
        print(path)


if __name__ == "__main__":
    main()
