"""Census of a release: the number of turns of each label and speaker in each dialogue."""

from collections import Counter
from itertools import product
from typing import NamedTuple

import numpy as np

from merflow.corpus.synthetic.seeds import generator

CODES = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
LETTERS = ("F", "M")


class DialogueName(NamedTuple):
    """Parts of a name like ``Ses03M_impro05a``; ``recording`` is the letter of the actor with the markers."""

    session: int
    recording: str
    part: str

    def __str__(self) -> str:
        return f"Ses0{self.session}{self.recording}_{self.part}"

    @property
    def scripted(self) -> bool:
        """True if the actors play a script."""
        return self.part.startswith("script")

    @classmethod
    def parse(cls, text: str) -> "DialogueName":
        """Parse the name of a dialogue."""
        return cls(int(text[4]), text[5], text[7:])


# Turns by (speaker's letter, raw label) in each dialogue.
Census = dict[DialogueName, Counter[tuple[str, str]]]


_TINY_DIALOGUES = (
    ("Ses01F_impro01", "Ses01M_script01_1"),
    ("Ses02M_impro02", "Ses02F_script01_1"),
    ("Ses03M_impro05a", "Ses03F_script01_1"),
    ("Ses04F_impro04", "Ses04M_script01_1"),
    ("Ses05F_impro03", "Ses05M_script01_1b"),
)
_TINY_RARE = ("xxx", "fru", "sur", "fru", "xxx", "fea", "xxx", "fru", "xxx", "dis")


def tiny_census(seed: int) -> Census:
    """Return two dialogues per session, with seven turns per speaker that cover the four classes."""
    counts: Census = {}
    for pair in _TINY_DIALOGUES:
        first, second = (DialogueName.parse(text) for text in pair)
        counts |= {first: Counter(), second: Counter()}
        for letter in LETTERS:
            rng = generator(seed, "census", f"{first.session}{letter}")
            rare = _TINY_RARE[2 * first.session - 2 + LETTERS.index(letter)]
            codes = ["ang", "exc", "hap", "neu", "sad", str(rng.choice(["ang", "neu", "sad"])), rare]
            codes = [codes[i] for i in rng.permutation(len(codes))]
            cut = 4 if letter == first.recording else 3
            counts[first].update((letter, code) for code in codes[:cut])
            counts[second].update((letter, code) for code in codes[cut:])
    return counts


# Shares of the labels in `small`, which has more turns of the four classes than the real release.
_SMALL_SHARES = {
    "impro": {"neu": 0.24, "hap": 0.10, "exc": 0.12, "sad": 0.15, "ang": 0.10, "fru": 0.13, "xxx": 0.12, "sur": 0.02,
              "fea": 0.01},
    "script": {"neu": 0.16, "hap": 0.09, "exc": 0.09, "sad": 0.14, "ang": 0.24, "fru": 0.13, "xxx": 0.12, "sur": 0.02,
               "oth": 0.01},
}  # fmt: skip
# As in the real release, the turns of the actor with the markers are less often neutral.
_SMALL_WEARER = {"neu": 0.8, "sad": 1.2, "ang": 1.1}
# Standard deviation, over dialogues, of the logarithm of a label's share.
_SCENE_SPREAD = 1.0
_SMALL_TURNS = (20, 26)  # per speaker and dialogue, upper end excluded


def scene_lean(seed: int, dialogue: str, code: str) -> float:
    """Return a label's frequency in this dialogue relative to others, because each scene has its own mood."""
    return float(generator(seed, "scene", dialogue, code).lognormal(0.0, _SCENE_SPREAD))


def small_census(seed: int) -> Census:
    """Return twenty dialogues: in each session an improvised and a scripted one per actor with markers."""
    counts: Census = {}
    for session, recording, kind in product(range(1, 6), LETTERS, ("impro", "script")):
        name = DialogueName(session, recording, _small_part(session, recording, kind))
        rng = generator(seed, "census", str(name))
        counts[name] = Counter()
        leaning = {code: share * scene_lean(seed, str(name), code) for code, share in _SMALL_SHARES[kind].items()}
        for letter in LETTERS:
            wearer = _SMALL_WEARER if letter == recording else {}
            weights = {code: share * wearer.get(code, 1.0) for code, share in leaning.items()}
            drawn = rng.multinomial(rng.integers(*_SMALL_TURNS), np.array([*weights.values()]) / sum(weights.values()))
            counts[name].update({(letter, code): int(n) for code, n in zip(weights, drawn, strict=True) if n})
    return counts


def demo_census(seed: int) -> Census:
    """Return the dialogues of ``small`` with half as many turns, and at least one where there was one."""
    return {
        name: Counter({turn: max(1, count // 2) for turn, count in tally.items()})
        for name, tally in small_census(seed).items()
    }


def _small_part(session: int, recording: str, kind: str) -> str:
    if kind == "impro":
        part = f"impro0{session if recording == 'F' else session + 2}"
    else:
        part = "script01_1" if recording == "F" else "script02_2"
    return {(3, "impro05"): "impro05a", (5, "script02_2"): "script01_1b"}.get((session, part), part)
