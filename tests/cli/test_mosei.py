"""CMU-MOSEI's raw form from the folder to the validated manifest: problems are reported or set aside."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from merflow.corpus.manifest import read_manifest
from merflow.corpus.readers.mosei import RECORDINGS, TRANSCRIPTS
from tests.cli.command import merflow, refused

pytest.importorskip("great_expectations")


def test_a_generated_release_passes_validation(tmp_path: Path) -> None:
    root, manifest, checked = tmp_path / "mosei", tmp_path / "all.parquet", tmp_path / "checked"
    made = merflow("data", "synthesize", "--corpus", "synthetic-mosei", "--size", "tiny", "--out", root)
    assert (made.code, "14 videos, 78 labelled clips" in made.err) == (0, True)
    indexed = merflow("data", "index", "--corpus", "synthetic-mosei", "--root", root, "--out", manifest)
    assert (indexed.code, "84 utterances, 78 with a sentiment, hash " in indexed.err) == (0, True)
    assert merflow("data", "validate", manifest, "--out", checked).code == 0
    page = (checked / "summary.html").read_text()
    assert "<h2>Sentiment</h2>" in page
    assert "<h2>Emotions</h2>" not in page
    assert page.count('class="histogram"') == 3 + 1  # train, dev and test, and the durations


def test_a_release_that_is_not_the_known_one_is_refused_or_accepted(tiny_mosei: Path, tmp_path: Path) -> None:
    root = tmp_path / "mosei"
    shutil.copytree(tiny_mosei, root, ignore=shutil.ignore_patterns("SYNTHETIC.json"))
    manifest, checked = tmp_path / "all.parquet", tmp_path / "checked"
    assert merflow("data", "index", "--corpus", "mosei", "--root", root, "--out", manifest).code == 0
    first = refused("data", "validate", manifest, "--out", checked).split("\n")[1]
    assert first.startswith(
        "error: this is not CMU-MOSEI as released: its parts have different sizes "
        "(train utterances: expected 16326, found "
    )
    assert first.endswith("or continue with --set 'corpus.accept=[other-split,other-scores]', which records it")
    accept = ("--set", "corpus.accept=[other-split,other-scores]")
    assert merflow("data", "validate", manifest, "--out", checked, *accept).code == 0
    accepted = read_manifest(checked / "manifest.parquet")
    assert accepted.differs
    assert [known.partition(":")[0] for known in accepted.accepted] == ["other-split", "other-scores"]


def test_bad_clips_are_set_aside_with_their_reasons(tiny_mosei: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_mosei, tmp_path / "mosei")
    reasons = spoil(root)
    manifest, checked = tmp_path / "all.parquet", tmp_path / "checked"
    assert merflow("data", "index", "--corpus", "synthetic-mosei", "--root", root, "--out", manifest).code == 0
    assert merflow("data", "validate", manifest, "--out", checked, "--quarantine").code == 0
    aside = pd.read_csv(checked / "quarantine.csv").set_index("utterance_id")["reasons"]
    missing = [reason for name, words in reasons.items() for reason in words if reason not in aside.get(name, "")]
    assert missing == []
    assert set(aside.index) == set(reasons)
    assert len(read_manifest(checked / "manifest.parquet").rows) == 84 - len(reasons)


def spoil(root: Path) -> dict[str, list[str]]:
    """Damage one clip in each possible way, each in its own video; return the message for each."""
    labels = pd.read_csv(root / "label.csv", dtype=str)
    firsts = labels.drop_duplicates("video_id")
    videos = firsts["video_id"].tolist()
    clips = firsts["clip_id"].tolist()
    names = [f"{video}_{clip}" for video, clip in zip(videos, clips, strict=True)]
    labels.loc[firsts.index[0], "label"] = "3.5"
    labels.loc[firsts.index[1], "label"] = ""
    labels.to_csv(root / "label.csv", index=False)
    edit_line(root, videos[2], clips[2], lambda _: None)
    edit_line(root, videos[3], clips[3], lambda cells: [*cells[:2], "-5.0", *cells[3:]])
    edit_line(root, videos[4], clips[4], lambda cells: [*cells[:2], cells[3], cells[2], cells[4]])
    edit_line(root, videos[5], clips[5], lambda cells: [*cells[:2], "998", "999", cells[4]])
    lost = RECORDINGS / f"{videos[6]}.wav"
    (root / lost).unlink()
    without = [f"dialogue {videos[6]} has no audio in any of its "]
    of_lost = read_clip_numbers(root, videos[6])
    return {
        names[0]: ["has the sentiment 3.5, outside -3 to 3; correct it, or leave it out"],
        names[1]: ["is in part 'train' of the official split and has no sentiment"],
        names[2]: [
            "has no recording (audio_path is empty)",
            "has no times, so that it cannot be found in the recording",
        ],
        names[3]: ["starts at -5.000 s, before its recording", "long, but its turn "],
        names[4]: ["but starts at", "correct the times"],
        names[5]: [f"recording Raw/Audio/Full/WAV_16000/{videos[5]}.wav (998.000 to 999.000 s) is empty (it ends at "],
        **{f"{videos[6]}_{clip}": without for clip in of_lost},
    }


def edit_line(root: Path, video: str, clip: str, change: Callable[[list[str]], list[str] | None]) -> None:
    path = root / TRANSCRIPTS / f"{video}.txt"
    cells = [line.split("___", 4) for line in path.read_text().splitlines()]
    changed = [change(each) if each[1] == clip else each for each in cells]
    path.write_text("".join("___".join(each) + "\n" for each in changed if each))


def read_clip_numbers(root: Path, video: str) -> list[str]:
    return [line.split("___")[1] for line in (root / TRANSCRIPTS / f"{video}.txt").read_text().splitlines()]
