"""Functionals of openSMILE, through the optional package ``opensmile``.

openSMILE's licence allows research but not commercial use. It is therefore not a dependency of merflow; if you may use
it, install the extra ``merflow[opensmile]``.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import yaml

from merflow.corpus.samples import RATE_HZ
from merflow.errors import FeatureError

OpensmileSet = Literal["ComParE_2016", "eGeMAPSv02"]
# openSMILE computes some descriptors over 60 ms and gives nothing for less.
_SHORTEST = RATE_HZ // 10


def is_installed() -> bool:
    """Return True if the package is installed; it is not imported."""
    return find_spec("opensmile") is not None


def installed_version() -> str:
    """Return the version of the package."""
    return version("opensmile")


def check_installed() -> None:
    """Raise if the package is not installed.

    Raises:
        FeatureError: It is not installed.
    """
    if not is_installed():
        raise FeatureError(
            "classics.opensmile is on, but the package opensmile is not installed; install merflow[opensmile] if its "
            "licence allows your use (research only, nothing commercial), or set classics.opensmile=off"
        )


def extractor(name: OpensmileSet) -> Any:  # noqa: ANN401 - opensmile has no types
    """Return openSMILE's extractor of a set of functionals."""
    check_installed()
    with _yaml_as_it_is():
        import opensmile

    return opensmile.Smile(getattr(opensmile.FeatureSet, name), opensmile.FeatureLevel.Functionals)


@contextmanager
def _yaml_as_it_is() -> Iterator[None]:
    """Undo the changes that opensmile's dependency oyaml makes to PyYAML, which turn off sorting of keys everywhere."""
    represent = {dumper: dumper.yaml_representers[dict] for dumper in (yaml.Dumper, yaml.SafeDumper)}
    yield
    for dumper, represented in represent.items():
        dumper.add_representer(dict, represented)


def opensmile_functionals(samples: np.ndarray, extract: Any) -> np.ndarray:  # noqa: ANN401
    """Return the functionals ``(D,)`` of a recording ``(n,)`` at 16 kHz."""
    if len(samples) < _SHORTEST:
        samples = np.pad(samples, (0, _SHORTEST - len(samples)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about short recordings, whose unknown values are NaN
        row: np.ndarray = extract.process_signal(samples, RATE_HZ).to_numpy(dtype=np.float64)[0]
    return row
