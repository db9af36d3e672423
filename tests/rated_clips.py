"""The clips of a rated corpus as files, with the turns around them, as people would send them."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from merflow.corpus.manifest import Manifest, recording_of
from merflow.corpus.samples import RATE_HZ, read_samples


@dataclass(frozen=True)
class Turn:
    """One clip.

    Attributes:
        name: Its utterance.
        recording: Its own sound file, cut from that of the dialogue; no sample differs.
        text: Its words.
        dialogue: Its dialogue.
    """

    name: str
    recording: Path
    text: str
    dialogue: str


class RatedFold(NamedTuple):
    """A fold of a score, its test predictions as training wrote them, and the turns of its test dialogues."""

    folder: Path
    tested: pd.DataFrame
    turns: list[Turn]


def cut(manifest: Manifest, dialogues: set[str], folder: Path) -> list[Turn]:
    """Write a sound file for every turn of some dialogues; return the turns in their order."""
    rows = manifest.rows[manifest.rows["dialogue_id"].isin(dialogues)].sort_values(["dialogue_id", "turn_index"])
    turns: list[Turn] = []
    for row in rows.to_dict("records"):
        source = recording_of(row, root=manifest.root)
        assert source is not None
        path = folder / f"{len(turns):03}.wav"
        samples = read_samples(source, n_samples=None, resample=True)
        soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
        turns.append(Turn(row["utterance_id"], path, str(row["transcript"]), row["dialogue_id"]))
    return turns


def write_table(turns: list[Turn], path: Path) -> None:
    """Write the table of clips that `merflow predict` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["utterance_id", "audio", "text", "dialogue"])
        writer.writerows([turn.name, turn.recording, turn.text, turn.dialogue] for turn in turns)


def scores_of(tested: pd.DataFrame, turns: list[Turn]) -> tuple[list[int], np.ndarray]:
    """Return the places of the turns that training tested, and its scores of them."""
    scores = dict(zip(tested["utterance_id"], tested["score"], strict=True))
    places = [place for place, turn in enumerate(turns) if turn.name in scores]
    return places, np.array([scores[turns[place].name] for place in places])
