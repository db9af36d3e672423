import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.mosei import read_mosei
from merflow.corpus.synthetic.mosei_files import HEIGHT, WIDTH, write_video_files
from merflow.corpus.synthetic.mosei_plan import plan_videos
from merflow.corpus.synthetic.mosei_release import synthesize_mosei
from merflow.errors import CorpusError, OutputError
from merflow.features.media.dialogue_video import VideoSpan, read_dialogue


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_release_is_read_as_it_was_planned(tiny_mosei: Path) -> None:
    manifest = read_mosei(tiny_mosei, taxonomy=taxonomy("iemocap4"))
    rows = manifest.rows.set_index("utterance_id")
    assert manifest.corpus == "synthetic-mosei"
    planned = [(video, clip) for video in plan_videos("tiny", 0) if video.part for clip in video.clips]
    assert len(planned) == len(rows) > 70
    for video, clip in planned:
        row = rows.loc[clip.utterance_id]
        assert row["transcript"] == clip.text
        assert row["start_s"] == max(0.0, clip.written_s[0])
        assert row["end_s"] == min(clip.written_s[1], video.duration_s)
        assert row["n_samples"] == pytest.approx((row["end_s"] - row["start_s"]) * 16_000, abs=1)
        if clip.sentiment is None:
            assert row[["official_split", "sentiment"]].isna().all()
        else:
            assert row["official_split"] == video.part
            assert row["sentiment"] == pytest.approx(clip.sentiment, abs=1e-9)
    assert set(rows["official_split"].dropna()) == {"train", "dev", "test"}
    assert "SYNTHETIC" in (tiny_mosei / "README.txt").read_text(encoding="ascii")


def test_clips_are_louder_than_the_room(tiny_mosei: Path) -> None:
    video = plan_videos("tiny", 0)[1]
    samples, rate_hz = soundfile.read(tiny_mosei / f"Raw/Audio/Full/WAV_16000/{video.name}.wav")
    spoken = np.zeros(len(samples), dtype=bool)
    for clip in video.clips:
        spoken[round(clip.start_s * rate_hz) : round(clip.end_s * rate_hz)] = True
    assert samples[spoken].std() > 10 * samples[~spoken].std()


def test_the_same_seed_gives_the_same_bytes(tiny_mosei: Path, tmp_path: Path) -> None:
    again = synthesize_mosei(tmp_path / "again", size="tiny")
    assert digests(again) == digests(tiny_mosei)
    before = (again / "label.csv").stat().st_mtime_ns
    assert synthesize_mosei(again, size="tiny") == again
    assert (again / "label.csv").stat().st_mtime_ns == before


def test_a_film_shows_its_speaker_and_sounds_like_the_recording(tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av")
    video = plan_videos("tiny", 0)[0]
    digest = []
    for take in ("first", "second"):
        raw = tmp_path / take
        for folder in ("Transcript/Segmented/Combined", "Audio/Full/WAV_16000", "Videos/Full/Combined"):
            (raw / folder).mkdir(parents=True)
        write_video_files(raw, video, seed=0, film=True)
        film = raw / f"Videos/Full/Combined/{video.name}.mp4"
        digest.append(hashlib.sha256(film.read_bytes()).hexdigest())
    assert digest[0] == digest[1]
    spans = [VideoSpan(clip.utterance_id, None, clip.start_s, clip.end_s) for clip in video.clips]
    frames = dict(read_dialogue(film, spans, clip_s=None))
    for clip in video.clips:
        shown = frames[clip.utterance_id]
        assert isinstance(shown, np.ndarray), shown
        assert shown.shape[1:] == (HEIGHT, WIDTH, 3)
        assert len(shown) == pytest.approx((clip.end_s - clip.start_s) * 10, abs=1)
    with av.open(str(film)) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    recorded, _ = soundfile.read(raw / f"Audio/Full/WAV_16000/{video.name}.wav", dtype="float32")
    length = min(len(heard), len(recorded))
    assert length > len(recorded) - 2048
    assert np.corrcoef(heard[:length], recorded[:length])[0, 1] > 0.95


def test_unknown_sizes_and_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unknown size 'demo' of a synthetic CMU-MOSEI"):
        synthesize_mosei(tmp_path, size="demo")
    with pytest.raises(CorpusError, match="the seed of a synthetic release is 0 or more, not -1"):
        synthesize_mosei(tmp_path, size="tiny", seed=-1)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="is not empty and contains no synthetic release"):
        synthesize_mosei(tmp_path, size="tiny")
