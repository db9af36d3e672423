"""The costs of a package: time per clip, resident memory and size, measured together with those of another package."""

from pathlib import Path
from statistics import median

from pydantic import Field, FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.strict import Strict

COSTS, SMOKE = "costs.json", "smoke.json"
FORMAT = 1
_REMEDY = "measure it again with merflow registry promote"


class Round(Strict):
    """One new process that loaded the package and predicted.

    Attributes:
        load_s: Time to import and load, in seconds.
        latency_p95_ms: 95th percentile of the time per clip, one clip at a time.
        peak_resident_mib: Highest resident memory of the process.
    """

    load_s: FiniteFloat
    latency_p95_ms: FiniteFloat
    peak_resident_mib: FiniteFloat


class Costs(Strict):
    """The costs of one package.

    Attributes:
        measurement: Identity of the measurement; packages that were measured in turns on one machine share it.
        machine: The machine in words.
        clips: Number of timed predictions per round.
        rounds: One per new process.
        size_mib: Size of the package's files; pretrained encoders, which it only refers to, are not included.
    """

    measurement: str
    machine: str
    clips: int
    rounds: tuple[Round, ...] = Field(min_length=1)
    size_mib: FiniteFloat

    @property
    def latency_p95_ms(self) -> float:
        """Median of the rounds."""
        return median(each.latency_p95_ms for each in self.rounds)

    @property
    def peak_resident_mib(self) -> float:
        """Median of the rounds."""
        return median(each.peak_resident_mib for each in self.rounds)


class SmokeTest(Strict):
    """The outcome of loading a package and predicting with it in a new process.

    Attributes:
        passed: True if it loaded and predicted a distribution over its classes for every clip.
        clips: Number of clips.
        seconds: Time of the whole test.
        error: The error; empty if it passed.
    """

    passed: bool
    clips: int
    seconds: FiniteFloat
    error: str


def write_costs(folder: Path, costs: Costs) -> None:
    """Write ``costs.json``.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / COSTS, costs, number=FORMAT)


def read_costs(folder: Path) -> Costs:
    """Read ``costs.json``.

    Raises:
        FormatError: It is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(Costs, folder / COSTS, number=FORMAT, remedy=_REMEDY)


def write_smoke_test(folder: Path, outcome: SmokeTest) -> None:
    """Write ``smoke.json``.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / SMOKE, outcome, number=FORMAT)


def read_smoke_test(folder: Path) -> SmokeTest:
    """Read ``smoke.json``.

    Raises:
        FormatError: It is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(SmokeTest, folder / SMOKE, number=FORMAT, remedy=_REMEDY)
