"""A model package, loaded from its folder alone.

Loading it needs no training code and reads no pickles.
"""

from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.model_package import ModelPackage, read_package
from merflow.contracts.package_files import check_files, refuse_pickles
from merflow.contracts.score_calibration import read_any_calibration
from merflow.inference.ensemble import Ensemble, load_ensemble


@dataclass(frozen=True, eq=False)
class PackagedModel(Ensemble):
    """A loaded package.

    Attributes:
        package: Facts about it.
    """

    package: ModelPackage


def load_package(folder: Path, *, encoders_folder: str = "", device: str = "auto") -> PackagedModel:
    """Load a model package.

    Args:
        folder: The package.
        encoders_folder: A folder with the pretrained encoders; empty for the hub's cache.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises:
        ModelError: The folder is not a package, holds a pickle, one of its files was changed, or an encoder's folder
            has different files than in training.
        FormatError: Another version of merflow wrote the package.
        FeatureError: An encoder is missing, or cannot be read.
    """
    package = read_package(folder)
    refuse_pickles(folder)
    check_files(folder, package)
    loaded = load_ensemble(
        [folder / member.folder for member in package.members],
        calibration=read_any_calibration(folder),
        encoders_folder=encoders_folder,
        device=device,
    )
    return PackagedModel(loaded.members, loaded.calibration, loaded.device, loaded.shared, package)
