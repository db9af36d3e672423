"""Plan of a release in the format of CMU-MOSEI: who says what in which video, and how positive it sounds.

A clip has a tenor from -3 to 3. Raters perceive it with some error, and the label is their mean. Voice, words and face
each show an emotion of that tenor, more strongly the farther it is from 0, and sometimes another one, as in the
synthetic IEMOCAP. So each modality alone predicts the label imperfectly, and the three together predict it better.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from merflow.contracts.protocols import PARTS, Part
from merflow.corpus.synthetic.expression import MODALITIES, Actor, Modality, Showing, actor, showing
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import MoseiSize
from merflow.corpus.synthetic.voice import pace
from merflow.corpus.synthetic.words import improvised


class Extent(NamedTuple):
    """Extent of a release.

    Attributes:
        videos: Videos of the parts train, dev and test.
        clips: Least and most clips of a video.
        median_s: Median length of a clip.
        most_s: Greatest length of a clip.
    """

    videos: tuple[int, int, int]
    clips: tuple[int, int]
    median_s: float
    most_s: float


_EXTENTS: dict[MoseiSize, Extent] = {
    "tiny": Extent((8, 2, 3), (5, 7), 1.0, 1.6),
    "small": Extent((40, 8, 16), (9, 15), 2.2, 6.0),
    "medium": Extent((160, 24, 56), (9, 15), 3.0, 9.0),
}

_FIRST_PERSON = 101  # number of the first video's speaker; those of the actors' release are below
_LEAST_S = 0.6
_LEAD_S = (0.0, 0.6)
_GAPS_S = (0.15, 0.7)
_LENGTH_SPREAD = 0.35  # of a clip, natural logarithm
_BIAS = 0.35  # mean tenor: people talk about what they like a little more often
_OF_VIDEOS, _OF_CLIPS = 0.9, 1.1  # standard deviations of the tenor
_NEUTRAL_SHARE = 0.2
_RATER_ERROR = 0.45
# Share of the clips by number of raters: means of three are multiples of a third.
_RATERS = {2: 0.02, 3: 0.95, 6: 0.03}
_UNLABELLED_SHARE = 0.1
# Oddities of the times in the transcripts: a clip may last into the next, begin before its recording, or end after it.
_OVERLAPPING_SHARE = 0.1
_OUTSIDE_SHARE = 0.2
_OUTSIDE_S = 0.3
_NEGATIVE, _POSITIVE = ("ang", "dis", "fru", "sad"), ("exc", "hap", "hap")


@dataclass(frozen=True)
class SpokenClip:
    """A clip of a video.

    Attributes:
        number: Its number in the transcript.
        start_s: Start of the voice in the video, in seconds, like ``end_s``.
        written_s: Start and end as the transcript gives them.
        sentiment: Mean of the raters; None for a clip without a label.
        shows: Emotions that voice, words and face show.
    """

    utterance_id: str
    number: int
    start_s: float
    end_s: float
    written_s: tuple[float, float]
    text: str
    sentiment: float | None
    shows: dict[Modality, Showing]


@dataclass(frozen=True)
class Video:
    """A video of one person.

    Attributes:
        person: Number of the person, which seeds face and backdrop.
        part: Part of the official split; None for a video without labels.
    """

    name: str
    person: int
    speaker: Actor
    part: Part | None
    clips: tuple[SpokenClip, ...]
    duration_s: float


def plan_videos(size: MoseiSize, seed: int) -> list[Video]:
    """Plan all videos of a release; the last one has a transcript and no label."""
    extent = _EXTENTS[size]
    parts: list[Part | None] = [part for part, count in zip(PARTS, extent.videos, strict=True) for _ in range(count)]
    return [_video(number, part, extent, seed) for number, part in enumerate([*parts, None])]


def _video(number: int, part: Part | None, extent: Extent, seed: int) -> Video:
    name, person = _name(number, seed), _FIRST_PERSON + number
    rng = generator(seed, "mosei video", name)
    speaker = actor(seed, person, str(rng.choice(["F", "M"])))
    tenor = rng.normal(_BIAS, _OF_VIDEOS)
    now_s = float(rng.uniform(*_LEAD_S))
    clips: list[SpokenClip] = []
    for index in range(int(rng.integers(extent.clips[0], extent.clips[1] + 1))):
        length_s = float(np.clip(rng.lognormal(np.log(extent.median_s), _LENGTH_SPREAD), _LEAST_S, extent.most_s))
        span = (round(now_s, 3), round(now_s + length_s, 3))
        clips.append(_clip(name, index, span, float(rng.normal(tenor, _OF_CLIPS)), speaker, part, seed))
        now_s = span[1] + float(rng.uniform(*_GAPS_S))
    duration_s = round(clips[-1].end_s + 0.2, 3)
    return Video(name, person, speaker, part, tuple(_written(clips, duration_s, rng)), duration_s)


def _name(number: int, seed: int) -> str:
    """Return a name of eleven characters, like those of the release; that of the first video begins with a hyphen."""
    name = base64.urlsafe_b64encode(generator(seed, "mosei name", str(number)).bytes(8)).decode().rstrip("=")
    return f"-{name[1:]}" if number == 0 else name


def _clip(
    video: str,
    number: int,
    span: tuple[float, float],
    tenor: float,
    speaker: Actor,
    part: Part | None,
    seed: int,
) -> SpokenClip:
    utterance_id = f"{video}_{number}"
    rng = generator(seed, "mosei clip", utterance_id)
    tenor = 0.0 if rng.uniform() < _NEUTRAL_SHARE else float(np.clip(tenor, -3, 3))
    code = "neu" if abs(tenor) < 1 / 3 else str(rng.choice(_NEGATIVE if tenor < 0 else _POSITIVE))
    shows = {modality: _shown(modality, code, tenor, speaker, utterance_id, seed) for modality in MODALITIES}
    words = (span[1] - span[0]) * speaker.words_per_s * pace(shows["voice"]) * float(rng.normal(1.0, 0.12))
    labelled = part is not None and (number == 0 or rng.uniform() >= _UNLABELLED_SHARE)
    return SpokenClip(
        utterance_id=utterance_id,
        number=number,
        start_s=span[0],
        end_s=span[1],
        written_s=span,
        text=improvised(shows["words"], speaker, words=max(1, round(words)), rng=rng),
        sentiment=_rated(tenor, rng) if labelled else None,
        shows=shows,
    )


def _shown(modality: Modality, code: str, tenor: float, speaker: Actor, utterance_id: str, seed: int) -> Showing:
    drawn = showing(modality, code, speaker, generator(seed, modality, utterance_id))
    return drawn if code == "neu" else replace(drawn, strength=drawn.strength * (0.5 + 0.35 * abs(tenor)))


def _rated(tenor: float, rng: np.random.Generator) -> float:
    """Return the mean of whole ratings from -3 to 3; all raters agree on a neutral clip."""
    raters = int(rng.choice(list(_RATERS), p=list(_RATERS.values())))
    heard = np.rint(np.clip(tenor + rng.normal(0, _RATER_ERROR, raters), -3, 3)) if tenor else np.zeros(raters)
    return float(heard.mean())


def _written(clips: list[SpokenClip], duration_s: float, rng: np.random.Generator) -> Iterator[SpokenClip]:
    """Yield the clips with the times of the transcript, which have the oddities of the release."""
    for index, clip in enumerate(clips):
        start_s, end_s = clip.written_s
        outside = rng.uniform() < _OUTSIDE_SHARE
        if index + 1 < len(clips) and rng.uniform() < _OVERLAPPING_SHARE:
            end_s = clips[index + 1].start_s + 0.1
        if index == 0 and outside:
            start_s = -_OUTSIDE_S
        if index + 1 == len(clips) and outside:
            end_s = duration_s + _OUTSIDE_S
        yield replace(clip, written_s=(round(start_s, 3), round(end_s, 3)))
