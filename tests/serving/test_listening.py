"""One pass over a recording: batches, the turns around a segment, words, and what an earlier run finished."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

pytest.importorskip("silero_vad")
pytest.importorskip("av")

from merflow.contracts.listening_results import HeardSegment, SegmentSettings
from merflow.corpus.samples import RATE_HZ
from merflow.errors import MerflowError
from merflow.inference.media_clips import Clip, Samples, VideoFile
from merflow.serving.answers import ClipPrediction, RefusedClip
from merflow.serving.listening import Listener, in_seconds
from merflow.serving.predictor import Predictor, ServedModel
from merflow.serving.remembered import RememberedSegments, open_remembered
from merflow.storage.line_journal import open_line_journal
from tests.serving.sounds import planted, voices_in

MODEL = ServedModel("loud:one", "1", "Loudness", ("loud", "quiet"), ("audio", "text"), True, True, None)


class Loudness:
    """A model of loudness that notes which turns it was shown; it refuses what is very short."""

    model = MODEL

    def __init__(self, *, reach: int = 0) -> None:
        self.reach = reach
        self.batches: list[list[Clip]] = []

    def predict(self, clips: Sequence[Clip]) -> list[ClipPrediction | RefusedClip]:
        """Answer for each clip."""
        self.batches.append(list(clips))
        return [self._answer(clip) for clip in clips]

    def _answer(self, clip: Clip) -> ClipPrediction | RefusedClip:
        sound = cast(Samples, clip.audio).values
        if len(sound) < RATE_HZ:
            return RefusedClip(clip.clip_id, "too short")
        loud = float(min(1.0, 4 * np.sqrt(np.mean(sound**2))))
        emotion = "loud" if loud > 0.5 else "quiet"
        shares = {"loud": loud, "quiet": 1 - loud}
        return ClipPrediction(
            clip_id=clip.clip_id,
            emotion=emotion,
            probabilities=shares,
            possible=(emotion,),
            sure=True,
            modalities=("audio",),
            warnings=(),
            duration_s=len(sound) / RATE_HZ,
        )


def listener(model: Loudness, **options: object) -> Listener:
    return Listener(cast(Predictor, model), SegmentSettings(), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def blocks(tiny_release: Path) -> list[np.ndarray]:
    """Return a recording of twelve synthetic utterances in blocks."""
    samples = planted(voices_in(tiny_release, count=12)).samples
    return [samples[start : start + 5000] for start in range(0, len(samples), 5000)]


def nothing() -> RememberedSegments:
    return RememberedSegments(None, key="")


def starts(clips: Sequence[Clip | None]) -> list[str]:
    return ["" if clip is None else clip.clip_id for clip in clips]


@pytest.mark.parametrize("reach", [0, 2])
def test_each_segment_is_predicted_once_with_the_turns_around_it(reach: int, blocks: list[np.ndarray]) -> None:
    model = Loudness(reach=reach)
    told: list[HeardSegment] = []
    heard, waveform = listener(model, batch=4).listen(blocks, remembered=nothing(), tell_segment=told.append)
    assert told == heard
    assert len(heard) >= 9, "most voices are found"
    assert [len(batch) for batch in model.batches[:-1]] == [4] * (len(model.batches) - 1)
    clips = [clip for batch in model.batches for clip in batch]
    assert len(clips) == len(heard)
    names = starts(clips)
    for index, clip in enumerate(clips):
        assert starts(clip.before) == names[max(0, index - reach) : index]
        assert starts(clip.after) == names[index + 1 :][:reach]
    assert len(waveform.outline()) > 1000


def test_words_come_before_the_prediction_and_once_per_segment(blocks: list[np.ndarray]) -> None:
    model = Loudness(reach=1)
    lengths: list[int] = []

    def transcribe(parts: Sequence[np.ndarray]) -> list[str]:
        lengths.extend(len(part) for part in parts)
        return [f"{len(part)} samples" for part in parts]

    heard, _ = listener(model, batch=3, transcribe=transcribe).listen(blocks, remembered=nothing())
    assert lengths == [round(segment.duration_s * RATE_HZ) for segment in heard]
    assert [segment.text for segment in heard] == [f"{length} samples" for length in lengths]
    for batch in model.batches:
        later = [each for clip in batch for each in clip.after if each is not None]
        for clip in (*batch, *later):
            assert clip.text == f"{len(cast(Samples, clip.audio).values)} samples"


def test_an_interrupted_run_continues_and_gives_the_same(tmp_path: Path, blocks: list[np.ndarray]) -> None:
    whole, _ = listener(Loudness(reach=1), batch=3).listen(blocks, remembered=nothing())
    journal = tmp_path / "journal.jsonl"

    class Stopped(Exception):  # noqa: N818
        """The user's Ctrl-C."""

    def stop_after_five(segment: HeardSegment) -> None:
        if segment.start_s > whole[4].start_s:
            raise Stopped

    with pytest.raises(Stopped), open_remembered(journal, key="k") as remembered:
        listener(Loudness(reach=1), batch=3).listen(blocks, remembered=remembered, tell_segment=stop_after_five)
    model = Loudness(reach=1)
    with open_remembered(journal, key="k") as remembered:
        again, _ = listener(model, batch=3).listen(blocks, remembered=remembered)
    assert again == whole
    assert remembered.reused == 6
    assert sum(map(len, model.batches)) == len(whole) - 6
    assert starts(model.batches[0][0].before) == [f"segment at {whole[5].start_s:.2f} s"]


def test_another_model_or_recording_starts_over_and_a_damaged_line_is_no_harm(
    tmp_path: Path, blocks: list[np.ndarray]
) -> None:
    journal = tmp_path / "journal.jsonl"
    with open_remembered(journal, key="k") as remembered:
        first, _ = listener(Loudness()).listen(blocks, remembered=remembered)
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"key": "k", "first": 1, "end": 2, "segment": {"start_s": "?"}}\n{"key": "k", "fir')
    with open_remembered(journal, key="other") as remembered:
        listener(Loudness()).listen(blocks, remembered=remembered)
        assert remembered.reused == 0
    with open_remembered(journal, key="k") as remembered:
        again, _ = listener(Loudness()).listen(blocks, remembered=remembered)
        assert remembered.reused == len(first)
    assert again == first
    with open_line_journal(journal, busy=MerflowError("it is busy")) as lines:
        assert len(lines.entries) == 2 * len(first) + 1


def test_pictures_are_those_of_the_segment(tmp_path: Path, blocks: list[np.ndarray]) -> None:
    model = Loudness()
    heard, _ = listener(model, film=tmp_path / "film.mp4").listen(blocks, remembered=nothing())
    clips = [clip for batch in model.batches for clip in batch]
    assert [clip.video for clip in clips] == [
        VideoFile(tmp_path / "film.mp4", segment.start_s, segment.end_s) for segment in heard
    ]


def test_silence_has_no_segments() -> None:
    model = Loudness()
    heard, _ = listener(model).listen([np.zeros(RATE_HZ * 3, dtype=np.float32)], remembered=nothing())
    assert (heard, model.batches) == ([], [])


def test_blocks_are_joined_to_seconds() -> None:
    parts = [np.full(3000, number, dtype=np.float32) for number in range(20)]
    joined = list(in_seconds(parts))
    assert [len(block) for block in joined] == [18_000, 18_000, 18_000, 6_000]
    np.testing.assert_array_equal(np.concatenate(joined), np.concatenate(parts))
    assert list(in_seconds([])) == []
