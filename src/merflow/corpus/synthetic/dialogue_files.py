"""Files of one dialogue in the release."""

from pathlib import Path

from merflow.corpus.synthetic.dialogue import Dialogue
from merflow.corpus.synthetic.files import APPLE_DOUBLE, write_alignment, write_texts
from merflow.corpus.synthetic.picture import Format, write_video
from merflow.corpus.synthetic.recording import Recording, record
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.wav import write_wav


def write_dialogue(root: Path, dialogue: Dialogue, *, seed: int, layout: Format | None) -> None:
    """Write all files of a dialogue below the root of the release; with a layout, its video as well."""
    session = root / f"Session{dialogue.name.session}"
    write_texts(session, dialogue, seed=seed)
    recording = record(dialogue, seed=seed)
    _write_sound(session, dialogue, recording)
    for turn in dialogue.turns:
        rng = generator(seed, "alignment", turn.utterance_id)
        folder = session / "sentences" / "ForcedAlignment" / str(dialogue.name)
        write_alignment(folder, turn, recording.spoken[turn.utterance_id], rng=rng)
    if layout:
        videos = session / "dialog" / "avi" / "DivX"
        write_video(videos / f"{dialogue.name}.avi", dialogue, recording, layout=layout, seed=seed)
        (videos / f"._{dialogue.name}.avi").write_bytes(APPLE_DOUBLE)


def _write_sound(session: Path, dialogue: Dialogue, recording: Recording) -> None:
    whole = session / "dialog" / "wav"
    cuts = session / "sentences" / "wav" / str(dialogue.name)
    for folder in (whole, cuts):
        folder.mkdir(parents=True, exist_ok=True)
    write_wav(whole / f"{dialogue.name}.wav", recording.channels)
    (whole / f"._{dialogue.name}.wav").write_bytes(APPLE_DOUBLE)
    for turn in dialogue.turns:
        write_wav(cuts / f"{turn.utterance_id}.wav", recording.cut(turn.first_sample, turn.samples))
    (cuts / f"._{dialogue.turns[0].utterance_id}.wav").write_bytes(APPLE_DOUBLE)
