"""A package that was fetched from a registry knows which version it is, to whoever opens or monitors it."""

import shutil
from pathlib import Path

from merflow.contracts.fetched_version import FetchedVersion, write_fetched
from merflow.contracts.package_files import package_digest
from merflow.opening.monitored_model import monitored_model
from merflow.opening.open_model import open_model


def test_a_fetched_package_is_served_and_monitored_as_its_version(ensemble: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ensemble, tmp_path / "package"))
    write_fetched(folder, FetchedVersion(name="merflow", version=7, digest=package_digest(folder)))
    model, monitored = open_model(str(folder), device="cpu").model, monitored_model(str(folder))
    assert (model.name, model.version) == (monitored.name, monitored.version) == ("merflow", "7")
    assert model.title.startswith("version 7 of 'merflow': ")

    write_fetched(folder, FetchedVersion(name="merflow", version=8, digest=f"sha256:{'0' * 64}"))  # of another package
    model, monitored = open_model(str(folder), device="cpu").model, monitored_model(str(folder))
    assert model.version == monitored.version != "8"
