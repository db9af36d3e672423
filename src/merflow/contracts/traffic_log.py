"""The traffic log: one line of JSON per clip that a server answered, with numbers but never audio or words.

``merflow serve --log-predictions`` writes it; ``merflow monitor`` reads it.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from pydantic import Field, FiniteFloat, ValidationError, model_validator

from merflow.contracts.streams import Modality
from merflow.contracts.strict import Strict
from merflow.errors import FormatError, OutputError
from merflow.storage.local import output_errors

_SUM_TOLERANCE = 1e-3


def _is_none(value: object) -> bool:
    return value is None


class TrafficRecord(Strict):
    """One clip that a model answered. Fields that only apply to scores are left out of lines for emotions.

    Attributes:
        time: Time of the answer, UTC, in ISO 8601; empty if it is unknown.
        model: Name of the model.
        version: Its version.
        clip_id: Name of the clip, by which labels find it.
        duration_s: Duration of its sound; None without one.
        level_dbfs: Level of its audio; None if it was not measured.
        speech_share: Share of the audio that is speech; None if it was not measured.
        words: Number of words that the model read; None without a transcript.
        modalities: Modalities that were used.
        probabilities: Probability of every class; empty if the clip was refused, and for a score.
        possible: The conformal set.
        sure: True if exactly one class is possible, or the model did not abstain from a score.
        abstains: True if the model has thresholds; otherwise ``possible`` and ``sure`` mean nothing.
        refused: Reason of the refusal; None for a prediction.
        score: The score; None for an emotion.
        low: Lower end of its conformal interval; None for an emotion, and without calibration.
        high: Upper end of its interval.
        abstained: True if the interval holds the middle of the scale; None for an emotion.
        format: Version of the line: 1, or 2 for a score, which versions of merflow without scores cannot read.
    """

    time: str
    model: str
    version: str
    clip_id: str
    duration_s: FiniteFloat | None = None
    level_dbfs: FiniteFloat | None = None
    speech_share: FiniteFloat | None = None
    words: int | None = None
    modalities: tuple[Modality, ...] = ()
    probabilities: dict[str, FiniteFloat] = Field(default_factory=dict)
    possible: tuple[str, ...] = ()
    sure: bool = False
    abstains: bool = False
    refused: str | None = None
    score: FiniteFloat | None = Field(default=None, exclude_if=_is_none)
    low: FiniteFloat | None = Field(default=None, exclude_if=_is_none)
    high: FiniteFloat | None = Field(default=None, exclude_if=_is_none)
    abstained: bool | None = Field(default=None, exclude_if=_is_none)
    format: Literal[1, 2] = Field(default=1, exclude_if=lambda number: number == 1)

    @model_validator(mode="after")
    def _answered_or_refused(self) -> "TrafficRecord":
        if (self.score is None) != (self.abstained is None) or (self.score is None) != (self.format == 1):
            raise ValueError("a score needs abstained and format 2, and nothing else has them")
        if (self.low is None) != (self.high is None) or (self.score is None and self.low is not None):
            raise ValueError("an interval needs a score and both ends")
        if self.score is not None:
            if self.probabilities or self.possible or self.refused is not None:
                raise ValueError("a score has neither probabilities nor a set nor a refusal")
            if self.low is not None and self.high is not None and not self.low <= self.high:
                raise ValueError("the interval ends before it begins")
        elif self.refused is None and (
            any(share < 0 for share in self.probabilities.values())
            or abs(sum(self.probabilities.values()) - 1) > _SUM_TOLERANCE
        ):
            raise ValueError("probabilities are not a distribution")
        return self

    @property
    def emotion(self) -> str:
        """The most likely class; the first of equal ones."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """Probability of the most likely class."""
        return self.probabilities[self.emotion]

    @property
    def width(self) -> float | None:
        """Width of the score's interval; None without one."""
        return None if self.low is None or self.high is None else self.high - self.low


class TrafficLog:
    """A log that is open for writing; one process at a time may write it."""

    def __init__(self, path: Path) -> None:
        """Open a log, or start one. An incomplete last line from a killed process is removed.

        Raises:
            OutputError: The file cannot be written, or another process writes it.
        """
        self._path = path
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise OutputError(f"another process writes to {path}; name a file of its own for each server") from error
        self._file.truncate(_whole_bytes(path))

    def add(self, records: Sequence[TrafficRecord]) -> None:
        """Append records in one piece.

        Raises:
            OutputError: The disk is full.
        """
        lines = "".join(f"{record.model_dump_json()}\n" for record in records)
        with output_errors(self._path):
            self._file.write(lines.encode())
            self._file.flush()

    def __enter__(self) -> "TrafficLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_traffic(path: Path) -> Iterator[TrafficRecord]:
    """Yield the records of a log in order. A last line that is still being written is left out.

    Raises:
        FormatError: The file cannot be read, or a line is damaged; the message names it.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip() or not line.endswith(b"\n"):
                    continue
                yield _record(line, where=f"{path} line {number}")
    except OSError as error:
        raise FormatError(f"cannot read {path} ({error}); name a log of merflow serve --log-predictions") from error


def _record(line: bytes, *, where: str) -> TrafficRecord:
    try:
        return TrafficRecord.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        problem = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
        raise FormatError(f"{where} is damaged ({problem}); delete the line, and run the command again") from error


def _whole_bytes(path: Path) -> int:
    """Return the length of a file up to the end of its last whole line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65_536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
