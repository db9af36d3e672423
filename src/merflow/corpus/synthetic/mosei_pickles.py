"""Generator of pickles in the format of CMU-MOSEI's processed files, aligned and unaligned, from a seed.

An utterance has a sentiment. It determines the share of positive and negative words, whose features differ, and shifts
every step of audio and vision along a direction that all utterances share, under noise. Audio lacks a number here and
there, as COVAREP's does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.protocols import Part
from merflow.corpus.mosei_counts import MOSEI_COUNTS
from merflow.corpus.mosei_pickle import PARTS, SEPARATOR, Array
from merflow.corpus.synthetic.pickle_pieces import PieceByPiece, write_pickle
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import PICKLE_SIZES, PickleSize
from merflow.corpus.synthetic.whole_release import checked_size, kept_or_written

GENERATOR_VERSION = 1
"""Version of the generator; raise it if the same size and seed give other bytes than before."""

Form = Literal["aligned", "unaligned"]
FILES: dict[Form, str] = {"aligned": "aligned_50.pkl", "unaligned": "unaligned_50.pkl"}

_WORDS = {
    "good": "good great love wonderful happy enjoy excellent brilliant delightful recommend",
    "bad": "bad awful hate terrible sad boring dreadful disappointing annoying avoid",
    "plain": "the a this movie film it was and i think they people really about story so in of you to",
}
_VOCABULARY = [word for words in _WORDS.values() for word in words.split()]
_COUNTS = {kind: len(words.split()) for kind, words in _WORDS.items()}
_FIRST_TOKEN = 1000
_START, _END = 101, 102  # tokens of BERT at both ends of a text
_LEANING = 0.4  # share of good and bad words
_SIGNAL = 0.35  # shift of audio and vision per point of sentiment, in deviations of the noise
_DOUBT = 1.0  # standard deviation of the sentiment that audio or vision shows, around the true one
_LACKING_EVERY = 20  # utterances
_STEPS_PER_WORD: dict[Array, int] = {"audio": 8, "vision": 6}
_ROWS = 256  # utterances that are made at a time


@dataclass(frozen=True)
class Shape:
    """Sizes of a generated file.

    Attributes:
        utterances: Utterances of each part.
        videos: Videos of each part.
        words: Steps of words, padded; both ends take one each.
        steps: Steps of audio and vision in the unaligned file, padded.
        widths: Columns of each array.
    """

    utterances: dict[Part, int]
    videos: dict[Part, int]
    words: int
    steps: dict[Array, int]
    widths: dict[Array, int]


def _shape(counts: dict[Part, tuple[int, int]], *, words: int, audio: int, vision: int, text_width: int) -> Shape:
    return Shape(
        utterances={part: count for part, (count, _) in counts.items()},
        videos={part: videos for part, (_, videos) in counts.items()},
        words=words,
        steps={"audio": audio, "vision": vision},
        widths={"audio": 74, "vision": 35, "text": text_width},
    )


_REAL = {part: (counts.utterances, counts.videos) for part, counts in MOSEI_COUNTS.items()}
SHAPES: dict[PickleSize, Shape] = {
    "tiny": _shape({"train": (60, 10), "dev": (20, 4), "test": (20, 4)}, words=20, audio=60, vision=50, text_width=32),
    "small": _shape(
        {"train": (600, 80), "dev": (120, 16), "test": (200, 26)}, words=50, audio=500, vision=500, text_width=768
    ),
    "full": _shape(_REAL, words=50, audio=500, vision=500, text_width=768),
}


def synthesize_pickles(out: Path, *, size: str, seed: int = 0, progress: Progress | None = None) -> Path:
    """Generate both files, unless the same ones are already there, and return the aligned one.

    The bytes depend on size and seed alone. The folder appears whole or not at all.

    Args:
        out: Folder of the files; must be absent, empty or hold the same files.
        size: ``tiny`` (100 utterances, narrow), ``small`` (920) or ``full`` (22,856, 12.4 GB, as the real files).
        seed: Any number from 0.
        progress: Receives the utterances done; None prints plain lines.

    Raises:
        CorpusError: The size is unknown or the seed is below 0.
        OutputError: The folder holds something else, is read-only, or the disk is full.
    """
    known = checked_size(size, PICKLE_SIZES, seed=seed, of="synthetic pickles")
    identity = {"size": size, "seed": seed, "generator_version": GENERATOR_VERSION, "format": "mosei-pickle"}

    def write(part: Path) -> None:
        for form, name in FILES.items():
            write_mosei_pickle(part / name, SHAPES[known], form=form, seed=seed, progress=progress)

    note = kept_or_written(out, identity, write)
    say(f"synthesize: {' and '.join(FILES.values())}, size {size}, seed {seed}, in {out}{note}")
    return out / FILES["aligned"]


def write_mosei_pickle(path: Path, shape: Shape, *, form: Form, seed: int, progress: Progress | None = None) -> None:
    """Write one file, a few utterances at a time; its words and labels depend on the seed and not on the form.

    Raises:
        OSError: The disk is full or the folder is read-only.
    """
    tell = progress or plain_lines()
    done, total = 0, 3 * sum(shape.utterances.values())

    def wrote(rows: int) -> None:
        nonlocal done
        done += rows
        tell(f"write {FILES[form]}", done, total)

    parts = {name: _Part(part, shape, form=form, seed=seed, wrote=wrote) for name, part in PARTS.items()}
    with path.open("wb") as file:
        write_pickle(file, {name: part.items() for name, part in parts.items()})


class _Part:
    """One part of a file."""

    def __init__(self, part: Part, shape: Shape, *, form: Form, seed: int, wrote: Callable[[int], None]) -> None:
        self._part = part
        self._shape = shape
        self._form = form
        self._seed = seed
        self._wrote = wrote
        self._size = shape.utterances[part]
        rng = generator(seed, "mosei", part)
        grid = np.arange(-9, 10) / 3
        weights = np.exp(-(((grid - 0.3) / 1.3) ** 2) / 2)
        self.sentiment = rng.choice(grid, size=self._size, p=weights / weights.sum())
        self._ids = _ids(part, self._size, shape.videos[part], rng)
        self._tokens = _tokens(self.sentiment, shape.words, rng)
        spoken = (self._tokens > 0).sum(axis=1) - 2  # words without both ends
        self._lengths: dict[Array, np.ndarray] = {}
        for name, pace in _STEPS_PER_WORD.items():
            self._lengths[name] = np.minimum(shape.steps[name], spoken * pace + rng.integers(0, 5, self._size))

    def items(self) -> dict[str, Any]:
        """Return the items in the order of the real files, with arrays that are made when they are written."""
        mask = self._tokens > 0
        classes = np.sign(self.sentiment).astype(int) + 1
        items: dict[str, Any] = {
            "raw_text": [
                " ".join(_VOCABULARY[one - _FIRST_TOKEN] for one in row if one >= _FIRST_TOKEN) for row in self._tokens
            ],
            "audio": self._array("audio"),
            "vision": self._array("vision"),
            "id": self._ids,
            "text": self._array("text"),
            "text_bert": np.stack([self._tokens, mask, np.zeros_like(mask)], axis=1).astype(np.int64),
            "annotations": [("Negative", "Neutral", "Positive")[one] for one in classes],
            "classification_labels": classes.astype(np.float64),
            "regression_labels": self.sentiment,
        }
        if self._form == "unaligned":
            items |= {f"{name}_lengths": lengths.tolist() for name, lengths in self._lengths.items()}
        return items

    def _array(self, name: Array) -> PieceByPiece:
        steps = self._shape.words if name == "text" or self._form == "aligned" else self._shape.steps[name]
        shape = (self._size, steps, self._shape.widths[name])
        return PieceByPiece(shape, np.dtype(np.float32), self._pieces(name, steps))

    def _pieces(self, name: Array, steps: int) -> Iterator[np.ndarray]:
        shared = generator(self._seed, "mosei", name)
        width = self._shape.widths[name]
        words = shared.standard_normal((2 + len(_VOCABULARY), width), dtype=np.float32)  # both ends, and words
        direction = shared.standard_normal(width, dtype=np.float32)
        words[2 : 2 + _COUNTS["good"]] += direction
        words[2 + _COUNTS["good"] : 2 + _COUNTS["good"] + _COUNTS["bad"]] -= direction
        scale = 10 ** shared.uniform(-1, 1.5, width).astype(np.float32)
        for start in range(0, self._size, _ROWS):
            rows = np.arange(start, min(start + _ROWS, self._size))
            rng = generator(self._seed, "mosei", self._part, self._form, name, str(start))
            noise = rng.standard_normal((len(rows), steps, width), dtype=np.float32)
            tokens = self._tokens[rows]
            if name == "text":
                values = (
                    words[np.where(tokens >= _FIRST_TOKEN, tokens - _FIRST_TOKEN + 2, tokens == _END)] + 0.5 * noise
                )
            else:
                shown = self.sentiment[rows] + rng.normal(0, _DOUBT, len(rows))
                values = (noise + _SIGNAL * shown[:, None, None].astype(np.float32) * direction) * scale
            values[~self._real(name, rows, steps)] = 0.0
            if name == "audio":
                lacking = rows % _LACKING_EVERY == 0
                values[lacking, 0, 0] = -np.inf
            yield values
            self._wrote(len(rows))

    def _real(self, name: Array, rows: np.ndarray, steps: int) -> np.ndarray:
        by_word = name == "text" or self._form == "aligned"
        real: np.ndarray = self._tokens[rows] > 0 if by_word else np.arange(steps) < self._lengths[name][rows, None]
        return real


def _ids(part: Part, size: int, videos: int, rng: np.random.Generator) -> list[str]:
    """Return an id per utterance; the clips of a video lie together and their numbers have gaps, as in the corpus."""
    of_video = np.sort(np.concatenate([np.arange(videos), rng.integers(0, videos, size - videos)]))
    clips = np.cumsum(rng.integers(1, 3, size))
    first = clips[np.searchsorted(of_video, of_video)]
    return [f"{part}-{video:04d}{SEPARATOR}{clip}" for video, clip in zip(of_video, clips - first, strict=True)]


def _tokens(sentiment: np.ndarray, words: int, rng: np.random.Generator) -> np.ndarray:
    """Return the tokens of each text, ``(N, W)`` int64, 0 after its end."""
    size = len(sentiment)
    counts = np.clip(rng.lognormal(2.8, 0.5, size).astype(int), 3, words - 2)
    good, bad, plain = _COUNTS.values()
    leaning = rng.uniform(size=(size, words)) < _LEANING
    positive = rng.uniform(size=(size, words)) < (sentiment[:, None] + 3) / 6
    word = np.where(
        leaning,
        np.where(positive, rng.integers(0, good, (size, words)), good + rng.integers(0, bad, (size, words))),
        good + bad + rng.integers(0, plain, (size, words)),
    )
    tokens: np.ndarray = np.where(np.arange(words) <= counts[:, None], word + _FIRST_TOKEN, 0)
    tokens[:, 0] = _START
    tokens[np.arange(size), counts + 1] = _END
    return tokens
