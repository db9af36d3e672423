"""Taxonomies: the assignment of a corpus's raw labels to emotion classes.

A manifest stores the raw label beside the class, so that a new taxonomy does not require reading the corpus again.
Classes are in alphabetical order everywhere.
"""

from dataclasses import dataclass

from merflow.errors import LabelError, nearest

# The eleven codes of IEMOCAP's EmoEvaluation files, and the plain words for them in corpora that come as a table.
RAW_LABELS: dict[str, str] = {
    "ang": "angry",
    "dis": "disgusted",
    "exc": "excited",
    "fea": "fearful",
    "fru": "frustrated",
    "hap": "happy",
    "neu": "neutral",
    "oth": "other",
    "sad": "sad",
    "sur": "surprised",
    "xxx": "no majority",
}

# Stands for utterances outside the taxonomy, wherever utterances are counted by emotion.
UNLABELLED = "no class"


@dataclass(frozen=True)
class Taxonomy:
    """A named set of emotion classes over the raw labels.

    Attributes:
        name: Its name in params and manifests.
        members: Class -> the raw words (values of :data:`RAW_LABELS`) that belong to it.
    """

    name: str
    members: dict[str, tuple[str, ...]]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of every logit, table and figure."""
        return tuple(sorted(self.members))

    def emotion_of(self, raw: str) -> str | None:
        """Return the class of a raw label, given as a code or a word; None for a known label outside the taxonomy.

        Raises:
            LabelError: The label is not a known emotion label.
        """
        word = RAW_LABELS.get(raw, raw)
        if word not in RAW_LABELS.values():
            raise LabelError(
                f"label {raw!r} is no known emotion label ({nearest(raw, [*RAW_LABELS, *RAW_LABELS.values()])}); "
                "correct it, or add it to RAW_LABELS in contracts/taxonomy.py"
            )
        return next((name for name, words in self.members.items() if word in words), None)


TAXONOMIES: dict[str, Taxonomy] = {
    "iemocap4": Taxonomy(
        "iemocap4", {"angry": ("angry",), "happy": ("happy", "excited"), "neutral": ("neutral",), "sad": ("sad",)}
    ),
    "iemocap6": Taxonomy(
        "iemocap6",
        {word: (word,) for word in ("angry", "excited", "frustrated", "happy", "neutral", "sad")},
    ),
}


def taxonomy(name: str) -> Taxonomy:
    """Return the taxonomy with this name.

    Raises:
        LabelError: No taxonomy has that name.
    """
    if name not in TAXONOMIES:
        raise LabelError(f"unknown taxonomy {name!r}; {nearest(name, TAXONOMIES)}")
    return TAXONOMIES[name]
