from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.corpus.synthetic.dialogue import Dialogue
from merflow.corpus.synthetic.dialogue_files import write_dialogue
from merflow.corpus.synthetic.expression import Showing
from merflow.corpus.synthetic.face import PATCH, Look, draw, features, look, palette
from merflow.corpus.synthetic.picture import FORMATS
from merflow.corpus.synthetic.plan import plan

av: Any = pytest.importorskip("av")


@pytest.fixture(scope="module")
def dialogue() -> Dialogue:
    return next(dialogue for dialogue in plan("tiny", 0) if dialogue.name.recording == "M")


@pytest.fixture(scope="module")
def path(dialogue: Dialogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("video")
    write_dialogue(root, dialogue, seed=0, layout=FORMATS["tiny"])
    folder = root / f"Session{dialogue.name.session}/dialog/avi/DivX"
    assert sorted(p.name for p in folder.iterdir()) == [f"._{dialogue.name}.avi", f"{dialogue.name}.avi"]
    return folder / f"{dialogue.name}.avi"


@pytest.fixture(scope="module")
def frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_video_has_the_releases_format(path: Path, dialogue: Dialogue) -> None:
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height) == ("mpeg4", 720, 480)
        assert video.average_rate == Fraction(30000, 1001)
        assert (audio.codec_context.name, audio.rate) == ("pcm_s16le", 16_000)
        samples = sum(frame.samples for frame in container.decode(audio=0))
    last_s = max(turn.end_s for turn in dialogue.turns)
    assert samples / 16_000 == pytest.approx(last_s, abs=0.6)


def test_frames_are_letterboxed_with_two_different_halves(frames: np.ndarray, dialogue: Dialogue) -> None:
    assert len(frames) == pytest.approx(max(turn.end_s for turn in dialogue.turns) * 29.97, abs=20)
    assert frames[:, :116].max() < 24
    assert frames[:, 364:].max() < 24
    band = frames[::10, 124:356].astype(np.float64)
    left, right = band[:, :, 6:354], band[:, :, 366:714]
    assert left.mean() > 30
    assert np.abs(left.mean(axis=0) - right.mean(axis=0)).mean() > 5


def test_speaking_mouths_move_on_the_speakers_half(frames: np.ndarray, dialogue: Dialogue) -> None:
    moving = 0
    for turn in dialogue.turns:
        others = [t for t in dialogue.turns if t.letter != turn.letter]
        alone = not any(t.start_s < turn.end_s and turn.start_s < t.end_s for t in others)
        if not alone or turn.text.startswith("["):
            continue
        cut = frames[int(turn.start_s * 29.97) : int(turn.end_s * 29.97), 120:240].astype(np.float64)
        left, right = cut[:, :, 120:240].std(axis=0).mean(), cut[:, :, 505:625].std(axis=0).mean()
        moving += (left > right) == (turn.letter == dialogue.name.recording)
        moving -= (left > right) != (turn.letter == dialogue.name.recording)
    assert moving >= 2


def test_the_left_head_wears_markers() -> None:
    person = features(0, 1, "F")
    face = Look(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    plain, marked = (palette(person)[draw(person, face, at=(64, 64), markers=worn)] for worn in (False, True))
    assert plain.shape == (PATCH, PATCH, 3)
    different = (plain != marked).any(axis=2)
    assert 60 < different.sum() < 400
    assert marked[different].min() == 240


def test_looks_differ_by_emotion() -> None:
    rng = np.random.default_rng(0)
    means = {
        code: np.mean([look(Showing(code, 1.0), rng) for _ in range(400)], axis=0)
        for code in ("ang", "hap", "neu", "sad")
    }
    smile, brow = Look._fields.index("mouth_curve"), Look._fields.index("brow_turn")
    assert means["hap"][smile] > means["neu"][smile] + 0.6 > means["sad"][smile] + 1.0
    assert means["ang"][brow] > means["neu"][brow] + 0.25 > means["sad"][brow] + 0.5


def test_videos_are_the_same_bytes_on_every_run(path: Path, dialogue: Dialogue, tmp_path: Path) -> None:
    write_dialogue(tmp_path, dialogue, seed=0, layout=FORMATS["tiny"])
    again = next(p for p in tmp_path.rglob("*.avi") if not p.name.startswith("._"))
    assert again.read_bytes() == path.read_bytes()
