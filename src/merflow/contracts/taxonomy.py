"""Taxonomies: the assignment of a corpus's raw labels to emotion classes.

Two taxonomies come with merflow; a file of the user's own describes any other::

    classes: # in the order of every table, figure and logit
      angry: [anger, disgust]
      happy: [joy]
      neutral: [neutral]
    dropped: [fear, surprise] # labels without a class

A manifest holds its taxonomy, so that no later command needs the file, and the raw label next to the class.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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

_KEYS = ("name", "classes", "dropped")
_SHAPE = "write `classes:`, below it `CLASS: [LABEL, ...]` for each class, and `dropped: [LABEL, ...]` for the rest"


@dataclass(frozen=True)
class Taxonomy:
    """A named set of emotion classes over the raw labels of a corpus.

    Attributes:
        name: Its name in results.
        classes: The classes in the order of every logit, table and figure.
        labels: Raw word -> its class; None for a word that has none. IEMOCAP's codes count as their words.
    """

    name: str
    classes: tuple[str, ...]
    labels: dict[str, str | None]

    @property
    def shipped(self) -> bool:
        """True if the taxonomy comes with merflow."""
        return TAXONOMIES.get(self.name) == self

    @property
    def known_labels(self) -> list[str]:
        """The raw labels that have a class or are dropped, as words and as codes, sorted."""
        return sorted({*self.labels, *(code for code, word in RAW_LABELS.items() if word in self.labels)})

    def emotion_of(self, raw: str) -> str | None:
        """Return the class of a raw label, given as a code or a word; None for a known label outside the taxonomy.

        Raises:
            LabelError: The taxonomy does not know the label.
        """
        word = RAW_LABELS.get(raw, raw)
        if word in self.labels:
            return self.labels[word]
        if self.shipped:
            raise LabelError(
                f"label {raw!r} is not a known emotion label ({nearest(raw, self.known_labels)}); correct it, or map "
                "it in a taxonomy file of your own (corpus.taxonomy=FILE.yaml, see docs/adding-a-corpus.md)"
            )
        raise LabelError(
            f"label {raw!r} is neither in a class of taxonomy {self.name} nor among its dropped labels "
            f"({nearest(raw, self.known_labels)}); correct it, or add it to the taxonomy's file and index again"
        )

    def content(self) -> dict[str, Any]:
        """Return the taxonomy as a file would describe it; :func:`parse_taxonomy` reads it."""
        members = {name: [label for label, of in self.labels.items() if of == name] for name in self.classes}
        dropped = [label for label, of in self.labels.items() if of is None]
        return {"name": self.name, "classes": members, "dropped": dropped}


def _shipped(name: str, members: Mapping[str, tuple[str, ...]]) -> Taxonomy:
    classes = {label: emotion for emotion, labels in members.items() for label in labels}
    return Taxonomy(name, tuple(members), {word: classes.get(word) for word in RAW_LABELS.values()})


TAXONOMIES: dict[str, Taxonomy] = {
    "iemocap4": _shipped(
        "iemocap4", {"angry": ("angry",), "happy": ("happy", "excited"), "neutral": ("neutral",), "sad": ("sad",)}
    ),
    "iemocap6": _shipped(
        "iemocap6", {word: (word,) for word in ("angry", "excited", "frustrated", "happy", "neutral", "sad")}
    ),
}


def taxonomy(name: str) -> Taxonomy:
    """Return the taxonomy with this name, or that of a YAML file.

    Raises:
        LabelError: No taxonomy has that name, or the file is missing or wrong; the message lists all its problems.
    """
    if name in TAXONOMIES:
        return TAXONOMIES[name]
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        raise LabelError(f"unknown taxonomy {name!r}; {nearest(name, TAXONOMIES)} Or pass a taxonomy file (.yaml)")
    if not path.is_file():
        raise LabelError(f"no such taxonomy file: {path}; write one as in docs/adding-a-corpus.md, or name iemocap4")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabelError(f"{path} is not YAML ({' '.join(str(error).split())}); {_SHAPE}") from error
    return parse_taxonomy(content, where=str(path), name=path.stem)


def parse_taxonomy(content: object, *, where: str, name: str = "") -> Taxonomy:
    """Return the taxonomy that a file or :meth:`Taxonomy.content` describes.

    Args:
        content: The parsed YAML or JSON.
        where: The file, for errors.
        name: Name of a taxonomy that does not say its own.

    Raises:
        LabelError: With all problems of the content.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("classes"), Mapping):
        raise LabelError(f"{where} describes no taxonomy; {_SHAPE}")
    problems = [f"unknown key {key!r}; {nearest(str(key), _KEYS)}" for key in content if key not in _KEYS]
    members = {str(emotion): labels for emotion, labels in content["classes"].items()}
    groups: list[tuple[str | None, object]] = [*members.items(), (None, content.get("dropped") or [])]
    labels: dict[str, str | None] = {}
    for emotion, given in groups:
        place = "dropped" if emotion is None else f"class {emotion!r}"
        if not isinstance(given, list | tuple) or not all(isinstance(label, str | int) for label in given):
            problems.append(f"{place}: expected a list of labels, found {given!r}")
            continue
        if emotion is not None and not given:
            problems.append(f"{place} has no labels; list the labels of the corpus that belong to it, or remove it")
        for label in map(str, given):
            word = RAW_LABELS.get(label, label)
            if word in labels:
                both = f"{labels[word] or 'dropped'} and to {emotion or 'dropped'}"
                problems.append(f"label {label!r} is mapped twice, to {both}; keep one")
            labels.setdefault(word, emotion)
    if len(members) < 2:
        problems.append("a taxonomy needs at least two classes")
    found = Taxonomy(str(content.get("name") or name or "own"), tuple(members), labels)
    if not problems and found.name in TAXONOMIES and not found.shipped:
        problems.append(f"name {found.name!r} belongs to a taxonomy of merflow's own; choose another")
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise LabelError("\n".join([f"taxonomy {where}: {count}", *(f"  {problem}" for problem in problems)]))
    return found


class _Loader(yaml.BaseLoader):
    """A YAML loader of text: a label such as ``no`` or ``0`` stays what it is. A repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: Iterable[Any] = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if list(names).count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} is written twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)
