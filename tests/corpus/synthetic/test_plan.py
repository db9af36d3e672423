import json
from collections import Counter
from collections.abc import Callable, Hashable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from merflow.corpus.iemocap_counts import iemocap_counts
from merflow.corpus.synthetic.census import DialogueName
from merflow.corpus.synthetic.dialogue import Dialogue, Turn
from merflow.corpus.synthetic.plan import plan
from merflow.corpus.synthetic.sizes import Size
from merflow.corpus.synthetic.words import count_words
from tests.real_data import IEMOCAP_COUNTS, needs_iemocap_counts

MERGED = {"ang": "ang", "exc": "hap", "hap": "hap", "neu": "neu", "sad": "sad"}


@pytest.fixture(scope="module")
def full() -> tuple[Dialogue, ...]:
    return plan("full", 0)


def pairs(dialogues: tuple[Dialogue, ...]) -> list[tuple[DialogueName, Turn]]:
    return [(dialogue.name, turn) for dialogue in dialogues for turn in dialogue.turns]


def tally(dialogues: tuple[Dialogue, ...], key: Callable[[DialogueName, Turn], Hashable]) -> dict[Any, int]:
    return dict(Counter(key(name, turn) for name, turn in pairs(dialogues)))


def without_zeros(counts: dict[Any, int]) -> dict[Any, int]:
    return {key: n for key, n in counts.items() if n}


def test_full_has_the_real_dialogues_and_turns(full: tuple[Dialogue, ...]) -> None:
    assert len(full) == 151
    assert tally(full, lambda name, _: str(name)) == iemocap_counts()["turns_by_dialogue"]
    assert len(pairs(full)) == 10_039


def test_full_has_the_real_labels_by_session(full: tuple[Dialogue, ...]) -> None:
    known = iemocap_counts()["labels_by_session"]
    wanted = {(code, session): n for code, row in known.items() for session, n in enumerate(row, start=1)}
    assert tally(full, lambda name, turn: (turn.code, name.session)) == without_zeros(wanted)


def test_full_has_the_real_counts_by_speaker(full: tuple[Dialogue, ...]) -> None:
    known = iemocap_counts()
    assert tally(full, lambda name, turn: f"Ses0{name.session}{turn.letter}") == known["turns_by_speaker"]
    merged = tally(full, lambda name, turn: (f"Ses0{name.session}{turn.letter}", MERGED.get(turn.code)))
    wanted = {
        (speaker, code): n for speaker, row in known["four_classes_by_speaker"].items() for code, n in row.items()
    }
    assert {key: n for key, n in merged.items() if key[1]} == wanted


def test_full_has_the_real_counts_by_type_marker_wearer_and_recording(full: tuple[Dialogue, ...]) -> None:
    known = iemocap_counts()
    kinds = tally(full, lambda name, turn: (name.part[:6].rstrip("0123456789"), turn.code))
    by_type = {("script" if kind == "script" else "impro", code): n for (kind, code), n in kinds.items()}
    wanted = {(kind, code): n for kind, row in known["four_classes_by_type"].items() for code, n in row.items()}
    assert {key: by_type[key] for key in wanted} == wanted
    wearer = tally(full, lambda name, turn: (turn.letter == name.recording, MERGED.get(turn.code)))
    assert {code: wearer[True, code] for code in ("ang", "hap", "neu", "sad")} == known["four_classes_of_marker_wearer"]
    assert sum(n for (own, _), n in wearer.items() if own) == 5088
    recordings = tally(full, lambda name, turn: (name.recording, turn.code in MERGED))
    assert {letter: recordings[letter, True] for letter in "FM"} == known["four_classes_by_recording"]
    four = tally(full, lambda name, turn: (str(name), turn.code in MERGED))
    assert {name: four[name, True] for name in known["four_classes_by_dialogue"]} == known["four_classes_by_dialogue"]


@needs_iemocap_counts
def test_full_agrees_with_the_published_counts(full: tuple[Dialogue, ...]) -> None:
    published = json.loads(IEMOCAP_COUNTS.read_text(encoding="utf-8"))
    every = published["all_utterances"]
    assert [str(dialogue.name) for dialogue in full] == every["dialog_list"]
    assert tally(full, lambda name, _: str(name)) == published["turns_per_dialog"]
    assert tally(full, lambda name, _: f"Session{name.session}") == every["by_session"]
    assert tally(full, lambda name, turn: f"Ses0{name.session}_{turn.letter}") == every["by_speaker"]
    for session in range(1, 6):
        rows = published["all_labels_by_session_rapport"]
        labels = Counter(turn.code for name, turn in pairs(full) if name.session == session)
        wanted = {code: row[session - 1] for code, row in rows.items() if code not in ("source", "total")}
        assert labels == without_zeros(wanted)
    for speaker, row in published["by_speaker_merged"].items():
        of_speaker = [turn.code for name, turn in pairs(full) if f"Ses0{name.session}_{turn.letter}" == speaker]
        assert Counter(MERGED[code] for code in of_speaker if code in MERGED) == {
            code: n for code, n in row.items() if code != "total"
        }
    extra = [line.name for dialogue in full for line in dialogue.extra_lines if line.span_s]
    assert sorted(extra) == sorted(every["XX_ids"])


def test_full_has_the_real_durations(full: tuple[Dialogue, ...]) -> None:
    known = iemocap_counts()["duration_s"]
    durations = np.array([turn.end_s - turn.start_s for _, turn in pairs(full) if turn.code in MERGED])
    for share, key in ((5, "p5"), (50, "median"), (95, "p95"), (99, "p99")):
        assert np.percentile(durations, share) == pytest.approx(known["all"][key], rel=0.05)
    assert durations.mean() == pytest.approx(known["all"]["mean"], rel=0.03)
    assert (durations.min(), durations.max()) == pytest.approx((known["all"]["min"], known["all"]["max"]), abs=2e-4)


def test_full_has_the_tags_and_repetitions_of_transcripts(full: tuple[Dialogue, ...]) -> None:
    turns = [turn for _, turn in pairs(full)]
    tags_only = [turn for turn in turns if not count_words(turn.text)]
    assert dict(Counter(turn.text for turn in tags_only)) == iemocap_counts()["tag_only_texts"]
    by_label = Counter(turn.code for turn in tags_only if turn.code in MERGED)
    assert by_label == iemocap_counts()["tag_only_by_label"]
    assert 1500 < sum("  " in turn.text for turn in turns) < 4000
    texts = Counter(turn.text for turn in turns)
    assert 0.15 < sum(n for n in texts.values() if n > 1) / len(turns) < 0.5
    assert all(turn.text.isascii() and ":" not in turn.text for turn in turns)
    assert not any(character.isdigit() for turn in turns for character in turn.text)
    ids = {turn.utterance_id for turn in turns}
    assert set(iemocap_counts()["without_alignment"]) <= ids
    assert max(int(name[-3:]) for name in ids) <= 86


@pytest.mark.parametrize("size", ["tiny", "demo", "small"])
def test_turns_are_numbered_by_speaker_and_never_overlap_themselves(size: Size) -> None:
    dialogues = plan(size, 3)
    overlaps = 0
    for dialogue in dialogues:
        starts = [turn.start_s for turn in dialogue.turns]
        assert starts == sorted(starts)
        overlaps += sum(b.start_s < a.end_s for a, b in pairwise(dialogue.turns))
        for letter in "FM":
            own = [turn for turn in dialogue.turns if turn.letter == letter]
            assert [turn.utterance_id for turn in own] == [f"{dialogue.name}_{letter}{k:03d}" for k in range(len(own))]
            assert all(a.end_s < b.start_s for a, b in pairwise(own))
        for turn in dialogue.turns:
            assert -1e-6 <= (turn.end_s - turn.start_s) * 16_000 - turn.samples < 2.001
    assert overlaps > len(dialogues)


def test_small_is_large_enough_for_benchmarks() -> None:
    dialogues = plan("small", 0)
    turns = [turn for _, turn in pairs(dialogues)]
    assert len(dialogues) == 20
    assert {(d.name.session, d.name.recording, d.name.scripted) for d in dialogues} == {
        (session, letter, scripted) for session in range(1, 6) for letter in "FM" for scripted in (False, True)
    }
    assert 850 <= len(turns) <= 950
    assert 590 <= sum(turn.code in MERGED for turn in turns) <= 680
    assert 2.0 <= np.mean([turn.end_s - turn.start_s for turn in turns]) <= 2.5
    speakers = {
        (d.name.session, turn.letter, MERGED[turn.code]) for d in dialogues for turn in d.turns if turn.code in MERGED
    }
    assert len(speakers) == 40


def test_demo_is_half_of_small_and_every_speaker_shows_every_class() -> None:
    demo, small = plan("demo", 0), plan("small", 0)
    assert [dialogue.name for dialogue in demo] == [dialogue.name for dialogue in small]
    counts = tally(demo, lambda name, turn: (name.session, turn.letter, MERGED.get(turn.code, "other")))
    assert 430 <= sum(counts.values()) <= 470
    assert len([who for who in counts if who[2] != "other"]) == 40
    assert min(count for who, count in counts.items() if who[2] != "other") >= 3


def test_neighbouring_turns_share_emotions_more_often_than_chance(full: tuple[Dialogue, ...]) -> None:
    codes = [[turn.code for turn in dialogue.turns] for dialogue in full]
    same = np.mean([a == b for row in codes for a, b in pairwise(row)])
    shares = np.array([*Counter(code for row in codes for code in row).values()]) / 10_039
    assert same > 1.3 * np.square(shares).sum()


def test_plans_depend_on_the_seed_alone() -> None:
    assert plan("tiny", 1) == plan("tiny", 1)
    assert plan("tiny", 1) != plan("tiny", 2)
