"""Plan of a release: every dialogue, turn, time, label and line, before any file is written."""

import math
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtri

from merflow.corpus.iemocap_counts import iemocap_counts
from merflow.corpus.synthetic.allocation import full_census
from merflow.corpus.synthetic.census import (
    LETTERS,
    Census,
    DialogueName,
    demo_census,
    small_census,
    tiny_census,
)
from merflow.corpus.synthetic.dialogue import Dialogue, ExtraLine, Turn
from merflow.corpus.synthetic.expression import MODALITIES, Actor, Showing, actor, showing
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import Size
from merflow.corpus.synthetic.voice import RATE_HZ, pace
from merflow.corpus.synthetic.words import embellished, improvised, scripted


class Lengths(NamedTuple):
    """Transformation of the real release's durations: multiplied by ``scale``, then clipped to a range in seconds."""

    scale: float
    least_s: float
    most_s: float


_LENGTHS = {
    "tiny": Lengths(0.22, 0.55, 1.3),
    "demo": Lengths(0.52, 0.8, 4.0),
    "small": Lengths(0.52, 0.8, 7.0),
    "full": Lengths(1.0, 0.0, math.inf),
}
_LEAD_S = {"tiny": 0.3, "demo": 0.5, "small": 0.5, "full": 6.0}
_SCRIPTED_SHARE = 0.5  # share of a scripted dialogue's turns that keep to the script
_STICKINESS = 2.2  # factor by which a turn is more likely to have the emotion of the last turn
_KINDRED = ({"ang", "fru", "dis"}, {"hap", "exc", "sur"}, {"sad", "fea", "fru"}, {"neu"})


def plan(size: Size, seed: int) -> tuple[Dialogue, ...]:
    """Plan all dialogues of a release."""
    counts = _census(size, seed)
    durations = _durations(counts, size, seed)
    actors = {(s, a): actor(seed, s, a) for s in range(1, 6) for a in LETTERS}
    dialogues = []
    for name, tally in counts.items():
        rng = generator(seed, "dialogue", str(name))
        order = _conversation(tally, name, rng)
        pair = {letter: actors[name.session, letter] for letter in LETTERS}
        spoken = [(letter, code, durations[code].pop()) for letter, code in order]
        turns = _timed(name, spoken, pair, lead_s=_LEAD_S[size], seed=seed, rng=rng)
        dialogues.append(_with_extra_lines(name, turns, pair, full=size == "full", rng=rng))
    return tuple(_with_tags_only(dialogues, size, seed))


def _census(size: Size, seed: int) -> Census:
    if size == "tiny":
        return tiny_census(seed)
    if size == "demo":
        return demo_census(seed)
    if size == "small":
        return small_census(seed)
    return full_census(seed)


def _durations(counts: Census, size: Size, seed: int) -> dict[str, list[float]]:
    """Return for each label a shuffled list of durations in seconds, one per turn, distributed as in the real one."""
    per_code: Counter[str] = Counter()
    for tally in counts.values():
        for (_, code), n in tally.items():
            per_code[code] += n
    known = iemocap_counts()["duration_s"]
    lengths = _LENGTHS[size]
    durations = {}
    for code, n in sorted(per_code.items()):
        rng = generator(seed, "durations", code)
        drawn = _quantiles(known.get(code, known["all"]), n)
        drawn = np.clip(drawn * lengths.scale, lengths.least_s, lengths.most_s)
        durations[code] = [float(value) for value in rng.permutation(drawn)]
    return durations


def _quantiles(known: dict[str, float], n: int) -> np.ndarray:
    """Return ``(n,)`` durations with the known minimum, 5th, 50th, 95th and 99th percentile, and maximum."""
    shares = np.array([0.5 / n, 0.05, 0.5, 0.95, 0.99, 1 - 0.5 / n])
    points = np.log([known[key] for key in ("min", "p5", "median", "p95", "p99", "max")])
    keep = np.concatenate([[True], np.diff(shares) > 0])
    if n < 100:  # too few for the tails: leave out the extremes of the whole corpus
        shares, points, keep = np.array([0.05, 0.5, 0.95]), points[1:4], np.full(3, True)
    curve = PchipInterpolator(ndtri(shares[keep]), points[keep])
    return np.asarray(np.exp(curve(ndtri((np.arange(n) + 0.5) / n))))


def _conversation(
    tally: Counter[tuple[str, str]], name: DialogueName, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """Return letters and labels by time: speakers mostly alternate, and emotions tend to persist."""
    left = {key: tally[key] for key in sorted(tally)}
    order: list[tuple[str, str]] = []
    last = ("F" if name.recording == "M" else "M", "neu")
    while any(left.values()):
        keys = [key for key, n in left.items() if n]
        weights = np.array([left[key] * _affinity(key, last) for key in keys], dtype=np.float64)
        last = keys[rng.choice(len(keys), p=weights / weights.sum())]
        left[last] -= 1
        order.append(last)
    return order


def _affinity(key: tuple[str, str], last: tuple[str, str]) -> float:
    alternates = 5.0 if key[0] != last[0] else 1.0
    kindred = any({key[1], last[1]} <= family for family in _KINDRED)
    return alternates * (_STICKINESS if kindred else 1.0)


def _timed(
    name: DialogueName,
    spoken: list[tuple[str, str, float]],
    pair: dict[str, Actor],
    *,
    lead_s: float,
    seed: int,
    rng: np.random.Generator,
) -> list[Turn]:
    """Give the turns their times: the other speaker may interrupt, but no speaker overlaps with itself."""
    free = dict.fromkeys(LETTERS, lead_s)
    numbers: Counter[str] = Counter()
    previous_start, previous_end = 0.0, lead_s
    turns = []
    for letter, code, duration_s in spoken:
        gap = float(np.clip(rng.normal(0.22, 0.45), -0.9, 2.0))
        start_s = max(previous_end + gap, free[letter] + 0.05, previous_start + 0.12)
        turn = _turn(name, f"{name}_{letter}{numbers[letter]:03d}", code, (start_s, duration_s), pair, seed)
        numbers[letter] += 1
        free[letter], previous_start = turn.end_s, turn.start_s
        previous_end = max(previous_end, turn.end_s)
        turns.append(turn)
    return turns


def _turn(
    name: DialogueName, utterance_id: str, code: str, span: tuple[float, float], pair: dict[str, Actor], seed: int
) -> Turn:
    rng = generator(seed, "turn", utterance_id)
    letter = utterance_id[-4]
    speaker = pair[letter]
    start_s = round(span[0], 4)
    end_s = round(start_s + span[1], 4)
    samples = math.floor((end_s - start_s) * RATE_HZ + 1e-6) - int(rng.uniform() < 0.3)
    shows = {m: showing(m, code, speaker, generator(seed, m, utterance_id)) for m in MODALITIES}
    words = max(1, round(span[1] * speaker.words_per_s * pace(shows["voice"]) * float(rng.normal(1.0, 0.12))))
    if name.scripted and rng.uniform() < _SCRIPTED_SHARE:
        text = scripted(shows["words"], name.part, words=words, seed=seed)
    else:
        text = improvised(shows["words"], speaker, words=words, rng=rng)
        text = embellished(text, code, rng)
    return Turn(utterance_id, letter, code, start_s, end_s, round(start_s * RATE_HZ), samples, text, shows)


def _with_extra_lines(
    name: DialogueName, turns: list[Turn], pair: dict[str, Actor], *, full: bool, rng: np.random.Generator
) -> Dialogue:
    """Add the lines without a label: a bare letter about once per dialogue, and ids with XX in sessions 3 and 5."""
    listed = [line.removeprefix(f"{name}_") for line in iemocap_counts()["unlabelled_lines"] if f"{name}_" in line]
    if not full and not name.scripted and name.session in (3, 5):
        listed = ["MXX0"]
    extra = []
    for index, code in enumerate([*listed, *("FM"[int(rng.integers(2))] for _ in range(int(rng.poisson(1.0))))]):
        after = int(rng.integers(1, len(turns) + 1))
        begins = turns[after - 1].end_s
        span = (begins, round(begins + float(rng.uniform(0.4, 1.5)), 4)) if "XX" in code else None
        text = improvised(Showing("neu", 1.0), pair[code[0]], words=int(rng.integers(1, 7)), rng=rng)
        empty = name == DialogueName(5, "F", "impro02") and code.startswith("M") and index < len(listed)
        extra.append(ExtraLine(f"{name}_{code}" if span else code, after, span, "" if empty else text))
    return Dialogue(name, tuple(turns), tuple(extra), pair, max(turn.end_s for turn in turns) + 0.5)


_TAGS_ONLY: dict[Size, dict[str, int]] = {
    "tiny": {"sad": 1},
    "demo": {"exc": 1, "sad": 1, "xxx": 1},
    "small": {"exc": 1, "hap": 1, "sad": 1, "xxx": 2},
    "full": {"exc": 7, "fru": 8, "hap": 12, "neu": 4, "sad": 6, "xxx": 18},
}
_LAUGHTER = "[LAUGHTER]"
_BREATHING = "[BREATHING]"


def _with_tags_only(dialogues: list[Dialogue], size: Size, seed: int) -> list[Dialogue]:
    """Replace the text of some short improvised turns by a tag alone."""
    rng = generator(seed, "tags")
    texts: dict[str, str] = {}
    for code, n in _TAGS_ONLY[size].items():
        spoken = [t for d in dialogues if not d.name.scripted for t in d.turns if t.code == code]
        short = sorted(spoken, key=lambda turn: (turn.samples, turn.utterance_id))[: max(4 * n, 8)]
        for index in rng.choice(len(short), size=min(n, len(short)), replace=False):
            texts[short[index].utterance_id] = _LAUGHTER if code in ("exc", "hap") else _BREATHING
    if size == "full":
        laughing = sorted(key for key, text in texts.items() if text == _LAUGHTER)
        breathing = sorted(key for key, text in texts.items() if text == _BREATHING)
        texts |= {laughing[0]: "[laughter]", breathing[0]: "[BREATHING] [LAUGHTER]"}
        texts |= {
            breathing[1]: _LAUGHTER,
            breathing[2]: _LAUGHTER,
            breathing[3]: "[GARBAGE]",
            breathing[4]: "[GARBAGE]",
        }
    return [
        replace(d, turns=tuple(replace(t, text=texts.get(t.utterance_id, t.text)) for t in d.turns)) for d in dialogues
    ]
