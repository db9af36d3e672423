"""The utterances of a filmed dialogue, and videos that are damaged or none at all."""

import weakref
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from merflow.corpus.synthetic.dialogue import Dialogue, Turn
from merflow.corpus.synthetic.dialogue_files import write_dialogue
from merflow.corpus.synthetic.face import features
from merflow.corpus.synthetic.picture import FORMATS
from merflow.corpus.synthetic.plan import plan
from merflow.errors import FeatureError
from merflow.features.media import dialogue_video
from merflow.features.media.dialogue_video import VideoSpan, frame_times, read_dialogue, video_rate
from merflow.features.media.film import Film
from merflow.features.media.frames import Picture
from tests.features.media.read_videos import faults, read

av: Any = pytest.importorskip("av")
NTSC = Fraction(30000, 1001)
COLUMNS = {"left": slice(0, 360), "right": slice(360, 720)}


class Filmed(NamedTuple):
    dialogue: Dialogue
    path: Path
    frames: np.ndarray  # all of them, whole

    def span(self, turn: Turn) -> VideoSpan:
        side: dialogue_video.Side = "left" if turn.letter == self.dialogue.name.recording else "right"
        return VideoSpan(turn.utterance_id, side, turn.start_s, turn.end_s)

    @property
    def spans(self) -> list[VideoSpan]:
        return [self.span(turn) for turn in self.dialogue.turns]

    def expected(self, span: VideoSpan) -> np.ndarray:
        assert span.side
        first, stop = (int(np.ceil(time_s * 30000 / 1001)) for time_s in (span.start_s, span.end_s))
        indices = np.minimum(np.arange(first, stop), len(self.frames) - 1)
        return np.asarray(self.frames[indices, 120:360, COLUMNS[span.side]])


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Filmed]:
    """Return the first session's dialogues by the letter of the actor with the markers."""
    root = tmp_path_factory.mktemp("release")
    found = {}
    for dialogue in plan("tiny", 0)[:2]:
        write_dialogue(root, dialogue, seed=0, layout=FORMATS["tiny"])
        path = root / f"Session1/dialog/avi/DivX/{dialogue.name}.avi"
        found[dialogue.name.recording] = Filmed(dialogue, path, decoded(path))
    assert sorted(found) == ["F", "M"]
    return found


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("wearer", ["F", "M"])
@pytest.mark.parametrize("speaker", ["F", "M"])
def test_an_utterance_shows_its_speaker_while_it_lasts(filmed: dict[str, Filmed], wearer: str, speaker: str) -> None:
    film = filmed[wearer]
    turns = [turn for turn in film.dialogue.turns if turn.letter == speaker]
    found = read(film.path, film.spans)
    assert len(turns) >= 3
    for turn in turns:
        span = film.span(turn)
        assert span.side == ("left" if speaker == wearer else "right")
        assert np.array_equal(found[turn.utterance_id], film.expected(span))
        times = frame_times(span, rate=NTSC, max_frames=180, clip_s=None)
        assert len(times) == len(found[turn.utterance_id])
        assert turn.start_s <= times[0] < times[-1] < turn.end_s
        # The shirt is below the face; its colour is the actor's own.
        shirt = found[turn.utterance_id][:, 200:230, 185:205].mean(axis=(0, 1, 2))
        own, other = (np.array(features(0, 1, letter).shirt) for letter in (speaker, "FM".replace(speaker, "")))
        assert np.abs(shirt - own).max() < 12 < np.abs(shirt - other).max()


def test_rows_between_the_bars_are_kept_and_the_bars_are_not(filmed: dict[str, Filmed]) -> None:
    film = filmed["F"]
    for name, frames in read(film.path, film.spans).items():
        assert frames.dtype == np.uint8
        assert frames.shape[1:] == (240, 360, 3), name
        assert frames[:, [2, -3], 20:-20].mean() > 30


def test_turns_that_overlap_have_their_own_halves_of_the_same_frames(filmed: dict[str, Filmed]) -> None:
    film = filmed["M"]
    pairs = [
        (one, other)
        for one, other in zip(film.spans, film.spans[1:], strict=False)
        if other.start_s < one.end_s and one.side != other.side
    ]
    assert pairs
    found = read(film.path, [span for pair in pairs for span in pair])
    for pair in pairs:
        for span in pair:
            assert np.array_equal(found[span.utterance_id], film.expected(span))


def test_every_picture_is_decoded_once_and_utterances_come_as_they_end(
    filmed: dict[str, Filmed], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    pictures = Film.pictures

    def counted(film: Film, *, first: int) -> Iterator[Picture]:
        for picture in pictures(film, first=first):
            seen.append(picture.index)
            yield picture

    monkeypatch.setattr(Film, "pictures", counted)
    film = filmed["M"]
    ended = []
    for name, _ in read_dialogue(film.path, film.spans[::-1], clip_s=None):
        span = next(span for span in film.spans if span.utterance_id == name)
        assert seen[-1] == np.ceil(span.end_s * 30000 / 1001) - 1
        ended.append(span.end_s)
    assert ended == sorted(ended)
    assert len(ended) == len(film.spans)
    assert seen == list(range(seen[0], seen[-1] + 1))


def test_frames_that_were_handed_over_are_not_kept(filmed: dict[str, Filmed]) -> None:
    film = filmed["M"]
    given: list[weakref.ref[np.ndarray]] = []
    for _, frames in read_dialogue(film.path, film.spans, clip_s=None):
        assert isinstance(frames, np.ndarray)
        given.append(weakref.ref(frames))
        del frames
        assert all(reference() is None for reference in given[:-1])
    assert len(given) == len(film.spans)


def test_one_utterance_alone_is_the_same_as_among_the_others(filmed: dict[str, Filmed]) -> None:
    for film in filmed.values():
        together = read(film.path, film.spans)
        for span in film.spans:
            assert np.array_equal(read(film.path, [span])[span.utterance_id], together[span.utterance_id])


def test_a_video_that_ends_before_the_last_turn_repeats_its_last_frame(filmed: dict[str, Filmed]) -> None:
    film = filmed["F"]
    last = film.spans[-1]
    assert len(film.frames) / NTSC < last.end_s
    frames = read(film.path, film.spans)[last.utterance_id]
    lasting = len(film.frames) - int(np.ceil(last.start_s * NTSC))
    assert 0 < lasting < len(frames)
    assert (frames[lasting:] == film.frames[-1, 120:360, COLUMNS["left"]]).all()
    assert (frames[0] != frames[-1]).any()


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _holed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200_000] = bytes(200_000)
    path.write_bytes(content)


@pytest.mark.parametrize(("spoil", "fault"), [(_cut_off, "it is truncated"), (_holed, "it is damaged")])
def test_a_damaged_video_gives_what_comes_before_the_damage(
    filmed: dict[str, Filmed], tmp_path: Path, spoil: Callable[[Path], None], fault: str
) -> None:
    film = filmed["M"]
    path = tmp_path / "damaged.avi"
    path.write_bytes(film.path.read_bytes())
    spoil(path)
    whole, damaged = {}, {}
    for name, frames in read_dialogue(path, film.spans, clip_s=None):
        if isinstance(frames, FeatureError):
            damaged[name] = str(frames)
        else:
            whole[name] = frames
    assert len(whole) >= 2
    assert len(damaged) >= 2
    assert max(span.end_s for span in film.spans if span.utterance_id in whole) < 4.0
    for span in film.spans:
        if span.utterance_id in whole:
            assert np.array_equal(whole[span.utterance_id], film.expected(span))
        else:
            assert damaged[span.utterance_id].startswith(f"utterance {span.utterance_id}: video {path}: {fault}")


def test_times_without_pictures_are_named(filmed: dict[str, Filmed]) -> None:
    film = filmed["F"]
    bad = [
        VideoSpan("empty", "left", 1.0, 1.0),
        VideoSpan("backwards", "left", 2.0, 1.0),
        VideoSpan("nowhere", "left", float("nan"), 1.0),
        VideoSpan("before", "left", -1.0, 1.0),
        VideoSpan("beyond", "left", 20.0, 21.0),
    ]
    found = faults(film.path, [*bad, film.spans[0]])
    assert list(found) == ["empty", "backwards", "nowhere", "before", "beyond"]
    assert "its span, 1 to 1 s, has no length" in found["empty"]
    assert "it ends at 7.641 s, before the utterance starts at 20.000 s" in found["beyond"]
    assert all(f"utterance {name}: video {film.path}: " in fault for name, fault in found.items())
    assert all(fault.endswith("; correct the utterance's times") for fault in found.values())


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1600), dtype=np.int16), format="s16", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))


def _nothing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_nothing, "no such file"),
        (_sound_only, "it has no video stream, only audio"),
        (lambda path: path.write_bytes(b""), "it cannot be read as a video"),
        (lambda path: path.write_bytes(b"RIFF of nothing" * 40), "it cannot be read as a video"),
    ],
)
def test_files_that_are_not_videos_fail_every_utterance(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "bad.avi"
    make(path)
    found = faults(path, [VideoSpan("a", "left", 0.0, 1.0), VideoSpan("b", "right", 1.0, 2.0)])
    assert list(found) == ["a", "b"]
    for name, fault in found.items():
        assert fault.startswith(f"utterance {name}: video {path}: {words}")
    with pytest.raises(FeatureError, match=words):
        video_rate(path)
