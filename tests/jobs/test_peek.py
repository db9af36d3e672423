from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

from merflow.cli.app import app
from merflow.corpus.manifest import Manifest, build_manifest, write_manifest
from merflow.corpus.synthetic.dialogue_files import write_dialogue
from merflow.corpus.synthetic.picture import FORMATS
from merflow.corpus.synthetic.plan import plan
from merflow.errors import CorpusError
from merflow.features.media.contact_sheet import Pictures, Specimen, chosen_frames, contact_sheet
from merflow.features.media.spectrogram import log_mel, mel_frequencies
from merflow.jobs.peek import peek

pytest.importorskip("av")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """One dialogue with its video."""
    root = tmp_path_factory.mktemp("release")
    dialogue = plan("tiny", 0)[0]
    name = dialogue.name
    write_dialogue(root, dialogue, seed=0, layout=FORMATS["tiny"])
    rows = [
        {
            "utterance_id": turn.utterance_id,
            "dialogue_id": str(name),
            "turn_index": index,
            "session": "Session1",
            "speaker": f"Ses01_{turn.letter}",
            "gender": turn.letter,
            "scripted": name.scripted,
            "start_s": turn.start_s,
            "end_s": turn.end_s,
            "audio_path": f"Session1/sentences/wav/{name}/{turn.utterance_id}.wav",
            "video_path": f"Session1/dialog/avi/DivX/{name}.avi",
            "video_side": "left" if turn.letter == name.recording else "right",
            "transcript": turn.text,
            "emotion_raw": turn.code,
            "valence": 2.5,
            "activation": 3.0,
            "dominance": 4.5,
            "n_samples": turn.samples,
            "rate_hz": 16_000,
        }
        for index, turn in enumerate(dialogue.turns)
    ]
    return build_manifest(rows, root=root, corpus="synthetic", taxonomy="iemocap4")


def changed(manifest: Manifest, values: Mapping[str, Any]) -> Manifest:
    rows = manifest.rows.copy()
    for column, value in values.items():
        rows[column] = rows[column].astype(object)
        rows[column] = value
    typed = rows.astype(manifest.rows.dtypes.to_dict())
    return replace(manifest, rows=typed)


def drawn(manifest: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Specimen, Figure]:
    """Return the inputs of the third utterance's sheet, and the figure."""
    seen: list[tuple[Specimen, Figure]] = []

    def kept(specimen: Specimen) -> Figure:
        seen.append((specimen, contact_sheet(specimen)))
        return seen[0][1]

    monkeypatch.setattr("merflow.jobs.peek.contact_sheet", kept)
    write_manifest(manifest, tmp_path / "m.parquet")
    peek(tmp_path / "m.parquet", utterance="Ses01F_impro01_F001", out=tmp_path / "peek.png")
    (one,) = seen
    return one


def words(figure: Figure) -> str:
    return " | ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_command_writes_a_picture(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    out = tmp_path / "sheets/one.png"
    arguments = ["data", "peek", "Ses01F_impro01_F001", "--manifest", str(tmp_path / "m.parquet"), "--png", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1800
        assert 1000 < picture.height < 1300
        shown = np.asarray(picture.convert("RGB"))
    assert shown.std() > 20
    assert (shown[:30] == 255).all()


def test_the_sheet_shows_frames_sound_words_and_labels(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    specimen, figure = drawn(manifest, monkeypatch, tmp_path)
    row = manifest.rows.set_index("utterance_id").loc["Ses01F_impro01_F001"]
    assert isinstance(specimen.pictures, Pictures)
    assert specimen.pictures.frames.shape == (39, 240, 360, 3)
    assert 0 <= specimen.pictures.times_s[0] < 1 / 29
    assert specimen.pictures.times_s[-1] < row["end_s"] - row["start_s"]
    assert isinstance(specimen.samples, np.ndarray)
    assert len(specimen.samples) == row["n_samples"]
    images = [image.get_array() for axes in figure.axes for image in axes.images]
    assert len(images) == 8 + 1
    for image, index in zip(images, chosen_frames(39), strict=False):
        assert np.array_equal(np.asarray(image), specimen.pictures.frames[index])
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert f"{specimen.pictures.times_s[0]:.2f} s" in labels
    assert str(row["transcript"]) in words(figure)
    for fact in ("Ses01_F, female", "Ses01F_impro01, turn 2 (improvised)", "left", "1.30 s at 16,000 Hz", "4.50"):
        assert fact in words(figure)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"video_path": None, "video_side": None}, "the corpus has no video"),
        ({"audio_path": None}, "the corpus has no recording"),
        ({"audio_path": "gone.wav"}, "no such recording"),
        ({"video_path": "gone.avi"}, "no such file"),
        ({"start_s": 900.0, "end_s": 901.0}, "before the utterance starts at 900.000 s"),
        ({"transcript": None}, "this corpus has no transcripts"),
        ({"valence": None, "activation": None, "dominance": None}, "no ratings"),
        ({"gender": None, "scripted": None, "emotion_raw": None}, "outside the taxonomy (label none)"),
        ({"emotion_raw": None, "sentiment": -1 / 3}, "-0.33"),
    ],
)
def test_what_is_missing_is_reported_in_its_place(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: Mapping[str, Any], said: str
) -> None:
    _, figure = drawn(changed(manifest, values), monkeypatch, tmp_path)
    assert said in words(figure).replace("\n", " ")
    assert (tmp_path / "peek.png").stat().st_size > 10_000


def test_long_words_are_wrapped_and_make_the_sheet_higher() -> None:
    plain = Specimen("u", {}, {}, np.zeros(1600, np.float32), "no video", {"transcript": "yes"})
    long = replace(plain, texts={"transcript": "it costs $5, " * 40, "recognized": ""})
    height = [contact_sheet(specimen).get_size_inches()[1] for specimen in (plain, long)]
    assert height[1] > height[0] + 1
    assert "(empty)" in words(contact_sheet(long))


def test_an_unknown_utterance_names_near_ones(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    with pytest.raises(CorpusError, match=r"no utterance 'Ses01F_impro01_F01'; did you mean .*Ses01F_impro01_F001"):
        peek(tmp_path / "m.parquet", utterance="Ses01F_impro01_F01", out=tmp_path / "peek.png")
    assert not (tmp_path / "peek.png").exists()


def test_chosen_frames_are_spread_evenly() -> None:
    assert chosen_frames(1) == [0]
    assert chosen_frames(5) == [0, 1, 2, 3, 4]
    assert chosen_frames(15) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert chosen_frames(180)[-1] == 179


def test_a_tone_lights_its_mel_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    spectrogram = log_mel(tone, bands=64)
    assert spectrogram.shape == (101, 64)
    assert spectrogram.max() == 0
    assert spectrogram.min() >= -80
    centres = mel_frequencies(66)[1:-1]
    assert abs(centres[spectrogram[50].argmax()] - 1000) < 40
    assert (log_mel(np.zeros(100, np.float32)) == -80).all()
