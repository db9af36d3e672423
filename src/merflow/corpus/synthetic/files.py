"""Text files of a dialogue, byte for byte in the formats of the release."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from merflow.corpus.iemocap_counts import iemocap_counts
from merflow.corpus.synthetic.census import LETTERS
from merflow.corpus.synthetic.dialogue import Dialogue, Turn
from merflow.corpus.synthetic.ratings import LABEL_NAMES, Attributes, Category, Panel, Ratings, panel, rate
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.voice import RATE_HZ, Syllable
from merflow.corpus.synthetic.words import spoken_words

_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
# A resource fork that macOS leaves beside a file: binary, and not valid UTF-8.
APPLE_DOUBLE = (
    bytes.fromhex("00051607000200004d6163204f53205820202020202020200002") + bytes(range(128, 256)) + bytes(228)
)
_FRAME_S = 0.01


def write_texts(session: Path, dialogue: Dialogue, *, seed: int) -> None:
    """Write the label, rater, transcript and alignment files of a dialogue below the folder of its session."""
    rng = generator(seed, "ratings", str(dialogue.name))
    raters = panel(rng)
    rated = [rate(turn, raters, session=dialogue.name.session, rng=rng) for turn in _f_block_first(dialogue.turns)]
    labels = session / "dialog" / "EmoEvaluation"
    _write(labels / f"{dialogue.name}.txt", emo_evaluation(rated))
    (labels / f"._{dialogue.name}.txt").write_bytes(APPLE_DOUBLE)
    for path, text in _rater_files(str(dialogue.name), rated, raters, dialogue.name.session):
        _write(labels / path, text)
    _write(session / "dialog" / "transcriptions" / f"{dialogue.name}.txt", transcription(dialogue))
    for letter in LETTERS:
        spoken = [turn for turn in dialogue.turns if turn.letter == letter]
        lines = [f"{turn.start_s:.4f} {turn.end_s:.4f} {turn.utterance_id}" for turn in spoken]
        folder = session / "dialog" / "lab" / f"Ses0{dialogue.name.session}_{letter}"
        _write(folder / f"{dialogue.name}.lab", _joined(["START_TIME END_TIME TURN_NAME", *lines]))


def emo_evaluation(rated: Sequence[Ratings]) -> str:
    """Return the label file: one block per turn, each followed by an empty line."""
    lines = [_HEADER, ""]
    for ratings in rated:
        turn = ratings.turn
        affect = ", ".join(f"{value:.4f}" for value in ratings.affect)
        lines.append(f"[{turn.start_s:.4f} - {turn.end_s:.4f}]\t{turn.utterance_id}\t{turn.code}\t[{affect}]")
        for category in ratings.categories:
            labels = " ".join(f"{LABEL_NAMES[code]};" for code in category.labels)
            lines.append(f"C-{category.rater}:\t{labels}\t({category.comment})")
        for rating in ratings.attributes:
            val, act, dom = rating.affect
            lines.append(f"A-{rating.rater}:\tval {val}; act {act}; dom  {dom};\t({rating.comment})")
        lines.append("")
    return _joined(lines)


def transcription(dialogue: Dialogue) -> str:
    """Return the transcript: turns by time, among them the lines without a label."""
    lines: list[str] = []
    for count in range(len(dialogue.turns) + 1):
        if count:
            turn = dialogue.turns[count - 1]
            lines.append(f"{turn.utterance_id} {_span(turn.start_s, turn.end_s)}: {turn.text}")
        for extra in dialogue.extra_lines:
            if extra.after == count:
                name = extra.name if extra.span_s is None else f"{extra.name} {_span(*extra.span_s)}"
                lines.append(f"{name}: {extra.text}")
    return _joined(lines)


def write_alignment(folder: Path, turn: Turn, spoken: Sequence[Syllable], *, rng: np.random.Generator) -> None:
    """Write the forced alignment of a turn: words, phones and syllables in frames of 10 ms, ends included."""
    if turn.utterance_id in iemocap_counts()["without_alignment"]:
        return
    words = [word.upper() for word in spoken_words(turn.text)]
    last = round(turn.samples / RATE_HZ / _FRAME_S)
    by_word: dict[int, list[Syllable]] = {}
    for syllable in spoken:
        by_word.setdefault(syllable.word, []).append(syllable)
    spans = [(parts[0].start_s, parts[-1].end_s, words[k] if k >= 0 else "++NOISE++") for k, parts in by_word.items()]
    phones = [row for s in spoken for row in ((s.start_s, s.vowel_s, "HH"), (s.vowel_s, s.end_s, "AH"))]
    beats = [(s.start_s, s.end_s, "HH_AH") for s in spoken]
    for kind, title, rows in (("wdseg", "Word", spans), ("phseg", "Phone", phones), ("syseg", "Syllable", beats)):
        _write(folder / f"{turn.utterance_id}.{kind}", _segments(title, rows, last, rng))


def _segments(title: str, rows: Iterable[tuple[float, float, str]], last: int, rng: np.random.Generator) -> str:
    lines = [f" SFrm  EFrm    SegAScr {title}"]
    now, total = 0, 0
    table: list[tuple[int, int, str]] = []
    for start_s, end_s, name in rows:
        start, end = max(now, round(start_s / _FRAME_S)), round(end_s / _FRAME_S) - 1
        if start > now:
            table.append((now, start - 1, "<s>" if not table else "<sil>"))
        table.append((start, max(start, end), name))
        now = max(start, end) + 1
    if now < last:
        table.append((now, last - 1, "</s>"))
    for start, end, name in table:
        score = -int(rng.integers(9_000, 90_000)) * (end - start + 1)
        total += score
        lines.append(f"{start:5d} {end:5d} {score:10d} {name}")
    return _joined([*lines, f" Total score: {total:11d}"])


def _rater_files(name: str, rated: Sequence[Ratings], raters: Panel, session: int) -> Iterable[tuple[str, str]]:
    """Yield the path below EmoEvaluation and the text of every rater's own files."""
    for rater in raters.categories:
        rows = [(r.turn, c) for r in rated for c in r.categories if c.rater == rater]
        yield f"Categorical/{name}_e{rater[1:]}_cat.txt", _joined(_categorical(turn, c) for turn, c in rows)
        yield f"Categorical/{name}_e{rater[1:]}_cat.anvil", _anvil(name)
    for rater in raters.attributes:
        marks = [(r.turn, a) for r in rated for a in r.attributes if a.rater == rater]
        yield f"Attribute/{name}_e{rater[1:]}_atr.txt", _joined(_attributes(turn, a) for turn, a in marks)
        yield f"Attribute/{name}_e{rater[1:]}_atr.anvil", _anvil(name)
    for letter in LETTERS:
        own = [r for r in rated if r.turn.letter == letter]
        stem = f"Self-evaluation/{name}_{letter.lower()}{session}"
        yield f"{stem}_cat.txt", _joined(_categorical(r.turn, r.categories[-1]) for r in own)
        yield f"{stem}_atr.txt", _joined(_attributes(r.turn, r.attributes[-1]) for r in own)
        yield f"{stem}.anvil", _anvil(name)


def _categorical(turn: Turn, category: Category) -> str:
    names = (f":{'Neutral state' if code == 'neu' else LABEL_NAMES[code]};" for code in category.labels)
    return f"{turn.utterance_id} {' '.join(names)} ({category.comment})"


def _attributes(turn: Turn, rating: Attributes) -> str:
    val, act, dom = rating.affect
    return f"{turn.utterance_id} :act {act}; :val {val}; :dom {dom}; ({rating.comment})"


def _anvil(name: str) -> str:
    return _joined(
        [
            '<?xml version="1.0" encoding="ISO-8859-1"?>',
            "<annotation>",
            f'  <head><video src="{name}.avi"/></head>',
            "  <body></body>",
            "</annotation>",
        ]
    )


def _f_block_first(turns: Sequence[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda turn: (turn.letter, turn.start_s))


def _span(start_s: float, end_s: float) -> str:
    return f"[{start_s:08.4f}-{end_s:08.4f}]"


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("latin-1"))
