"""The processed files of CMU-MOSEI that are widely shared: one pickle with labels, words and computed features.

The file has three parts, ``train``, ``valid`` and ``test``. Each part has one row per utterance in ``id``,
``raw_text``, ``regression_labels``, ``audio``, ``vision``, ``text`` and ``text_bert``. In the aligned file, the three
feature arrays have one step per word. The unaligned file has more steps of audio and vision, and the number of real
ones in ``audio_lengths`` and ``vision_lengths``. All shapes come from the file.

Shapes: N utterances, W word steps, T steps of an array, D columns.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from merflow.contracts.protocols import Part
from merflow.errors import CorpusError
from merflow.storage.plain_pickle import read_plain_pickle

Array = Literal["audio", "vision", "text"]
ARRAYS: tuple[Array, ...] = get_args(Array)
PARTS: dict[str, Part] = {"train": "train", "valid": "dev", "test": "test"}
SEPARATOR = "$_$"  # between video and clip in an id
_ID = re.compile(rf"([^\s/\\]+){re.escape(SEPARATOR)}([0-9]{{1,9}})")

_MASK_ROW = 1  # of text_bert: token ids, mask, segment ids
_MOST_NAMED = 20


@dataclass(frozen=True)
class PickledClip:
    """One utterance.

    Attributes:
        row: Its row in the arrays of its part.
        sentiment: Mean of the raters, from -3 to 3.
    """

    part: Part
    row: int
    video: str
    clip: int
    transcript: str
    sentiment: float

    @property
    def utterance_id(self) -> str:
        """Name of the utterance in manifests."""
        return f"{self.video}_{self.clip}"


@dataclass(frozen=True, eq=False)
class PickledPart:
    """The features of one part, as views of the file.

    Attributes:
        features: Each array, ``(N, T, D)``.
        words: ``(N, W)`` bool, True for the steps of the text that have a token.
        lengths: ``(N,)`` int64, the number of real steps of arrays that are not aligned to words.
    """

    features: dict[Array, np.ndarray]
    words: np.ndarray
    lengths: dict[Array, np.ndarray]

    def steps(self, array: Array, row: int) -> np.ndarray:
        """Return the real steps of an utterance, ``(T, D)`` float32, with 0 for every missing audio value.

        COVAREP, which computed the audio, takes logarithms of silence: -inf and NaN mark missing numbers.
        """
        steps = self._real(array, row).astype(np.float32)
        if array == "audio":
            steps[_lacking(steps)] = 0.0
        return steps

    def step_count(self, array: Array, row: int) -> int:
        """Return the number of real steps of an utterance."""
        return int(self.lengths[array][row] if array in self.lengths else self.words[row].sum())

    def lacking(self) -> int:
        """Return the number of missing values in the real steps of audio."""
        return sum(int(_lacking(self._real("audio", row)).sum()) for row in range(len(self.words)))

    def _real(self, array: Array, row: int) -> np.ndarray:
        values = self.features[array][row]
        real: np.ndarray = values[: self.lengths[array][row]] if array in self.lengths else values[self.words[row]]
        return real


@dataclass(frozen=True, eq=False)
class MoseiPickle:
    """An open file.

    Attributes:
        clips: All utterances, in the file's order.
        parts: Features of each part.
        widths: D of each array.
        aligned: True if every array has one step per word.
    """

    path: Path
    clips: tuple[PickledClip, ...]
    parts: dict[Part, PickledPart]
    widths: dict[Array, int]
    aligned: bool

    def notes(self) -> tuple[str, ...]:
        """Return a description of the features, and the number of missing values in audio."""
        first = next(iter(self.parts.values()))
        shapes = ", ".join(f"{name} {'x'.join(map(str, first.features[name].shape[1:]))}" for name in ARRAYS)
        lacking = sum(part.lacking() for part in self.parts.values())
        return (
            f"the features are {'aligned to words' if self.aligned else 'unaligned'}: {shapes}",
            f"{lacking} audio values are -inf or NaN and are read as 0",
        )


def open_mosei_pickle(path: Path) -> MoseiPickle:
    """Open a file and check everything except the values of its features, which it does not read.

    Raises:
        CorpusError: The file is missing, not a plain pickle, or incomplete; or lengths, ids or labels do not fit.
    """
    content = read_plain_pickle(path)
    missing = [name for name in PARTS if not isinstance(content, dict) or name not in content]
    if missing:
        raise CorpusError(
            f"{path} lacks {', '.join(missing)}; pass a processed file of CMU-MOSEI, such as aligned_50.pkl"
        )
    parts = {part: _Part(content[name], where=f"{path}, part {name}") for name, part in PARTS.items()}
    widths = {array: {each.array(array).shape[2] for each in parts.values()} for array in ARRAYS}
    if uneven := [array for array in ARRAYS if len(widths[array]) > 1]:
        found = sorted(widths[uneven[0]])
        raise CorpusError(f"{path}: the parts have {uneven[0]} of different widths {found}; get the file again")
    if len({each.aligned for each in parts.values()}) > 1:
        raise CorpusError(f"{path}: some parts are aligned and some are not; get the file again")
    clips = [clip for part, each in parts.items() for clip in each.clips(part)]
    _check_unique(clips, path=path)
    return MoseiPickle(
        path=path,
        clips=tuple(clips),
        parts={part: each.features() for part, each in parts.items()},
        widths={array: width for array, (width,) in widths.items()},
        aligned=parts["train"].aligned,
    )


class _Part:
    """One part of the file, checked item by item."""

    def __init__(self, items: Any, *, where: str) -> None:  # noqa: ANN401 - whatever the pickle holds
        if not isinstance(items, dict):
            raise CorpusError(f"{where} is a {type(items).__name__}, not a dict; get the file again")
        self._items: Mapping[str, Any] = items
        self._where = where
        self._size = len(self._row("id"))
        self.aligned = "audio_lengths" not in items and "vision_lengths" not in items

    def array(self, name: Array) -> np.ndarray:
        """Return an array of features, ``(N, T, D)`` of any floating type."""
        value = self._item(name)
        expected = f"floating-point numbers of shape ({self._size}, steps, columns)"
        if not isinstance(value, np.ndarray) or value.ndim != 3 or value.dtype.kind != "f" or len(value) != self._size:
            raise self._unlike(name, expected)
        if not (value.shape[1] and value.shape[2]):
            raise self._unlike(name, expected)
        return value

    def clips(self, part: Part) -> Iterator[PickledClip]:
        """Yield the utterances."""
        texts, labels = self._texts("raw_text"), self._numbers("regression_labels")
        wrong = np.flatnonzero(~(np.abs(labels) <= 3))  # NaN is not
        if len(wrong):
            raise CorpusError(
                f"{self._where}: regression_labels are not all from -3 to 3: {len(wrong)} of {self._size} are not, the "
                f"first in row {wrong[0]}, {labels[wrong[0]]:g}; get the file again"
            )
        for row, (name, text, label) in enumerate(zip(self._texts("id"), texts, labels.tolist(), strict=True)):
            found = _ID.fullmatch(name)
            if found is None or not name.isprintable():
                raise CorpusError(
                    f"{self._where}, row {row}: id {name[:100]!r} is not of the form video{SEPARATOR}12; get the file "
                    "again"
                )
            video, clip = found.groups()
            yield PickledClip(part, row, video, int(clip), " ".join(text.split()), float(label))

    def features(self) -> PickledPart:
        """Return the features and the number of their real steps."""
        features = {name: self.array(name) for name in ARRAYS}
        words = self._words(steps=features["text"].shape[1])
        lengths: dict[Array, np.ndarray] = {}
        for name in () if self.aligned else ("audio", "vision"):
            lengths[name] = self._lengths(name, most=features[name].shape[1])
        for name in ARRAYS if self.aligned else ():
            if features[name].shape[1] != words.shape[1]:
                raise self._unlike(name, f"aligned to {words.shape[1]} words, as the file has no {name}_lengths")
        return PickledPart(features, words, lengths)

    def _words(self, *, steps: int) -> np.ndarray:
        value = self._item("text_bert")
        expected = (self._size, 3, steps)
        if not isinstance(value, np.ndarray) or value.shape != expected or value.dtype.kind not in "iufb":
            raise self._unlike("text_bert", f"token ids, mask and segments of shape {expected}")
        mask: np.ndarray = value[:, _MASK_ROW] > 0
        return mask

    def _lengths(self, name: Array, *, most: int) -> np.ndarray:
        lengths = self._numbers(f"{name}_lengths")
        if (lengths != np.floor(lengths)).any() or (lengths < 0).any() or (lengths > most).any():
            raise CorpusError(f"{self._where}: {name}_lengths are not all from 0 to the {most} steps of {name}")
        return lengths.astype(np.int64)

    def _numbers(self, name: str) -> np.ndarray:
        values = self._row(name)
        if others := [one for one in values if not isinstance(one, float | int | np.floating | np.integer)]:
            raise self._unlike(name, f"one number per utterance, not a {type(others[0]).__name__}")
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError as error:
            raise self._unlike(name, "numbers of ordinary size") from error

    def _texts(self, name: str) -> list[str]:
        values = self._row(name)
        if others := [one for one in values if not isinstance(one, str)]:
            raise self._unlike(name, f"one text per utterance, not a {type(others[0]).__name__}")
        return values

    def _row(self, name: str) -> list[Any]:
        """Return one value per utterance; numbers may come as a list, a row or a column."""
        value = self._item(name)
        values = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
        if not isinstance(values, list) or (name != "id" and len(values) != self._size):
            raise self._unlike(name, "one value per utterance")
        return values

    def _item(self, name: str) -> Any:  # noqa: ANN401 - whatever the pickle holds
        if name not in self._items:
            found = ", ".join(f"{one:.100}" for one in list(self._items)[:_MOST_NAMED])
            raise CorpusError(f"{self._where} has no {name}, only {found}; get the file again")
        return self._items[name]

    def _unlike(self, name: str, expected: str) -> CorpusError:
        value = self._items[name]
        found = f"shape {value.shape}, {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        return CorpusError(f"{self._where}: {name} is {found}, expected {expected}; get the file again")


def _lacking(values: np.ndarray) -> np.ndarray:
    """Return a mask that is True where features are -inf or NaN."""
    lacking: np.ndarray = np.isnan(values) | np.isneginf(values)
    return lacking


def _check_unique(clips: list[PickledClip], *, path: Path) -> None:
    first: dict[str, PickledClip] = {}
    for clip in clips:
        other = first.setdefault(clip.utterance_id, clip)
        if other is not clip:
            raise CorpusError(
                f"{path}: clip {clip.clip} of video {clip.video} is in {other.part} row {other.row} and in {clip.part} "
                f"row {clip.row}; get the file again"
            )
