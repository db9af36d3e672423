"""Media of any format become clips; anything that is not a recording is refused with the reason."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.corpus.samples import read_samples
from merflow.errors import MediaError, TooLongError
from merflow.inference.media_clips import Clip, Samples, VideoFile
from merflow.serving.media import open_clip

av = pytest.importorskip("av")
SECONDS = 2.0


def tone(rate_hz: int) -> np.ndarray:
    return np.asarray(0.3 * np.sin(2 * np.pi * 300 * np.arange(round(SECONDS * rate_hz)) / rate_hz), dtype=np.float32)


def encoded(path: Path, codec: str, *, video: bool = False, rate_hz: int = 48_000) -> Path:
    """Write a tone, and grey pictures, in the format of the path's ending."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=rate_hz, layout="mono")
        if video:
            film = container.add_stream("mpeg4", rate=25)
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            for level in range(round(25 * SECONDS)):
                picture = np.full((48, 64, 3), level, dtype=np.uint8)
                container.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(film.encode())
        frame = av.AudioFrame.from_ndarray(tone(rate_hz)[None], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def samples_of(clip: Clip) -> np.ndarray:
    assert isinstance(clip.audio, Samples)
    assert clip.audio.rate_hz == 16_000
    return clip.audio.values


@pytest.mark.parametrize(
    ("name", "codec", "video"),
    [("a.m4a", "aac", False), ("a.webm", "libopus", False), ("a.mp4", "aac", True), ("a.mp3", "libmp3lame", False)],
)
def test_formats_of_phones_and_browsers_are_read(name: str, codec: str, video: bool, tmp_path: Path) -> None:
    path = encoded(tmp_path / name, codec, video=video)
    clip = open_clip(path, clip_id="a", text="hello")
    samples = samples_of(clip)
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.06)
    middle = samples[8_000:24_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert (clip.clip_id, clip.text, clip.video) == ("a", "hello", VideoFile(path) if video else None)
    content = open_clip(path.read_bytes(), clip_id="a", folder=tmp_path)
    assert np.array_equal(samples_of(content), samples)
    if video:
        assert isinstance(content.video, VideoFile)
        assert content.video.path.read_bytes() == path.read_bytes()
    assert open_clip(path.read_bytes(), clip_id="a").video is None, "without a folder for it"
    with pytest.raises(TooLongError, match="is longer than 1 s"):
        open_clip(path, clip_id="a", limit_s=1)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 96_000])
def test_wav_is_read_as_in_training(rate_hz: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(rate_hz)] * 8, axis=1), rate_hz)
    expected = read_samples(path, n_samples=None, resample=True)
    assert np.array_equal(samples_of(open_clip(path, clip_id="a")), expected)
    assert np.array_equal(samples_of(open_clip(path.read_bytes(), clip_id="a")), expected)


def test_what_is_not_a_recording_is_refused(tmp_path: Path) -> None:
    film = encoded(tmp_path / "a.mp4", "aac", video=True).read_bytes()
    (tmp_path / "empty.wav").touch()
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{tmp_path}/a.mp4\n#EXT-X-ENDLIST\n"
    )
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, dtype=np.float32), 16_000, subtype="FLOAT")
    cases: list[tuple[Path | bytes, str]] = [
        (tmp_path / "nowhere.wav", "no such file"),
        (tmp_path, "no such file"),
        (tmp_path / "empty.wav", "is empty"),
        (b"", "the upload is empty"),
        (b"no sound at all" * 100, "the upload cannot be read as audio or video"),
        (film[:2_000], "the upload cannot be read as audio or video"),
        (tmp_path / "list.m3u8", "cannot be read as audio or video"),
        ((tmp_path / "list.m3u8").read_bytes(), "cannot be read as audio or video"),
        (tmp_path / "nan.wav", "nan at sample 0"),
        ((tmp_path / "nan.wav").read_bytes(), "samples that are not numbers"),
    ]
    for source, message in cases:
        with pytest.raises(MediaError, match=message):
            open_clip(source, clip_id="a")
