"""Table corpora: a few lines of text, and a copy of a generated release with bad recordings among the good ones."""

import shutil
from pathlib import Path

import numpy as np
import soundfile

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.iemocap import read_iemocap

HEADER = "utterance_id,speaker,session,emotion,transcript"
COLUMNS = ["utterance_id", "dialogue_id", "turn_index", "speaker", "session", "audio_path", "transcript", "emotion"]


def text_table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "utterances.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def audio_table(folder: Path, release: Path) -> Path:
    """Write the release as a table corpus with a transcript of every utterance."""
    manifest = read_iemocap(release, taxonomy=taxonomy("iemocap4"))
    rows = manifest.rows.copy()
    (folder / "wav").mkdir(parents=True)
    for name, path in zip(rows["utterance_id"], rows["audio_path"], strict=True):
        shutil.copy(manifest.root / path, folder / "wav" / f"{name}.wav")
    rows["audio_path"] = "wav/" + rows["utterance_id"] + ".wav"
    rows["transcript"] = rows["transcript"].replace("", "[BREATHING]")
    rows["emotion"] = rows["emotion_raw"]
    rows[COLUMNS].to_csv(folder / "utterances.csv", index=False)
    return folder / "utterances.csv"


def spoil(wavs: list[Path]) -> dict[str, str]:
    """Damages the first eight recordings, each in a different way; utterance -> validation's message."""
    truncated, empty, slow, stereo, holes, text, gone, headed = wavs[:8]
    said = truncated.stat().st_size - 44  # bytes of samples
    truncated.write_bytes(truncated.read_bytes()[:-3000])
    empty.write_bytes(b"")
    samples, rate_hz = soundfile.read(slow)
    soundfile.write(slow, samples[::2], rate_hz // 2)
    samples, _ = soundfile.read(stereo)
    soundfile.write(stereo, np.stack([samples, samples], axis=1), rate_hz)
    samples, _ = soundfile.read(holes)
    samples[7:10] = np.nan
    soundfile.write(holes, samples, rate_hz, subtype="FLOAT")
    held = len(samples)
    text.write_text("no audio at all" * 20)
    gone.unlink()
    soundfile.write(headed, samples[:0], rate_hz)
    return {
        truncated.stem: f"is cut off: the header declares {said} bytes of samples, "
        f"but the file has {said - 3000}; copy",
        empty.stem: "is empty (the file has 0 bytes); copy it again",
        slow.stem: "is sampled at 8000 Hz, not 16000 Hz; resample it",
        stereo.stem: "has 2 channels, not 1; mix it down",
        holes.stem: f"has 3 NaN or infinite samples out of {held}; convert it again",
        text.stem: "cannot be read (Format not recognised); copy or convert it again",
        gone.stem: f"no such recording: {gone}; restore it",
        headed.stem: "is empty (the file has 0 samples); copy it again",
    }
