"""Segments as an ELAN annotation file (EAF 3.0).

Tiers: ``emotion`` has one annotation per segment, with a controlled vocabulary. ``smoothed``, ``probability``,
``possible`` and ``words`` belong to its annotations, so that moving one in ELAN moves them all. A score model has a
tier named after its task instead of ``emotion``, with the score and its interval in words, and ``score``, ``low`` and
``high`` instead of ``probability`` and ``possible``.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from merflow.contracts.heard import NOT_SURE, HeardEmotion, HeardScore
from merflow.contracts.listening_results import ListeningResults
from merflow.serving.exports.audacity import REFUSED
from merflow.storage.local import replacing

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_MIME = {
    ".wav": "audio/x-wav",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mpg": "video/mpeg",
}
_VOCABULARY, _LANGUAGE = "emotions", "eng"
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0
_OF_EMOTIONS: dict[str, Callable[[HeardEmotion], str]] = {
    "probability": lambda heard: f"{heard.probabilities[heard.emotion]:.3f}",
    "possible": lambda heard: " or ".join(heard.possible),
}
_OF_SCORES: dict[str, Callable[[HeardScore], str]] = {
    "score": lambda heard: f"{heard.score:.3f}",
    "low": lambda heard: "" if heard.low is None else f"{heard.low:.3f}",
    "high": lambda heard: "" if heard.high is None else f"{heard.high:.3f}",
}


def write_elan(path: Path, results: ListeningResults, *, media: Path | None) -> None:
    """Write an EAF file.

    Args:
        path: The file.
        results: The segments.
        media: The recording for ELAN to play; None if there is none.

    Raises:
        OutputError: The file cannot be written.
    """
    document = ElementTree.Element("ANNOTATION_DOCUMENT")
    document.set("xmlns:xsi", _INSTANCE)
    document.set("xsi:noNamespaceSchemaLocation", _SCHEMA)
    document.set("AUTHOR", "merflow")
    document.set("DATE", datetime.now(UTC).isoformat(timespec="seconds"))
    document.set("FORMAT", "3.0")
    document.set("VERSION", "3.0")
    identifiers = (f"a{number}" for number in range(1, 10**9))
    header = _child(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if media is not None:
        _media(header, media, beside=path)
    times = _times(document, results)
    model = results.model
    names = _answers(document, results, times, identifiers)
    for tier, texts in _notes(results).items():
        _references(document, tier, texts, names, identifiers, parent=model.task)
    last = _child(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(int(next(identifiers)[1:]) - 1)
    _types(document, task=model.task, has_vocabulary=model.scale is None)
    if model.scale is None:
        _vocabulary(document, (*model.classes, NOT_SURE, REFUSED))
    ElementTree.indent(document)
    with replacing(path) as part:
        ElementTree.ElementTree(document).write(part, encoding="UTF-8", xml_declaration=True)


def _child(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: _clean(value) for name, value in attributes.items()})


def _clean(text: str) -> str:
    """Return the text without characters that XML does not allow."""
    return _FORBIDDEN.sub(" ", text)


def _media(header: ElementTree.Element, media: Path, *, beside: Path) -> None:
    kind = _MIME.get(media.suffix.lower(), "unknown")
    facts = {"MEDIA_URL": media.resolve().as_uri(), "MIME_TYPE": kind}
    if media.resolve().parent == beside.resolve().parent:
        facts["RELATIVE_MEDIA_URL"] = f"./{media.name}"
    _child(header, "MEDIA_DESCRIPTOR", **facts)


def _times(document: ElementTree.Element, results: ListeningResults) -> list[tuple[str, str]]:
    """Add the start and end of every segment; return their names."""
    order = _child(document, "TIME_ORDER")
    named = []
    for number, segment in enumerate(results.segments):
        start, end = f"ts{2 * number + 1}", f"ts{2 * number + 2}"
        for name, seconds in ((start, segment.start_s), (end, segment.end_s)):
            _child(order, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(round(1000 * seconds)))
        named.append((start, end))
    return named


def _notes(results: ListeningResults) -> dict[str, list[str]]:
    """Return the texts of the tiers below the answers' tier, by name: one per segment, which may be empty."""
    own: dict[str, Callable[[Any], str]] = {**(_OF_EMOTIONS if results.model.scale is None else _OF_SCORES)}
    segments = results.segments
    return {
        "smoothed": [each.smoothed_answer for each in segments],
        **{tier: [text_of(each.heard) if each.heard else "" for each in segments] for tier, text_of in own.items()},
        "words": [each.text or "" for each in segments],
    }


def _answers(
    document: ElementTree.Element, results: ListeningResults, times: list[tuple[str, str]], identifiers: Iterator[str]
) -> list[str]:
    """Add the tier of the answers; return the names of its annotations."""
    task = results.model.task
    tier = _child(document, "TIER", TIER_ID=task, LINGUISTIC_TYPE_REF=task)
    names = []
    for segment, (start, end) in zip(results.segments, times, strict=True):
        name = next(identifiers)
        annotation = _child(
            _child(tier, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            ANNOTATION_ID=name,
            TIME_SLOT_REF1=start,
            TIME_SLOT_REF2=end,
        )
        _child(annotation, "ANNOTATION_VALUE").text = _clean(segment.answer or REFUSED)
        names.append(name)
    return names


def _references(
    document: ElementTree.Element,
    name: str,
    texts: list[str],
    annotations: list[str],
    identifiers: Iterator[str],
    *,
    parent: str,
) -> None:
    """Add a tier whose annotations belong to those of the tier ``parent``; a segment without a text has none."""
    tier = _child(document, "TIER", TIER_ID=name, LINGUISTIC_TYPE_REF="note", PARENT_REF=parent)
    for text, of in zip(texts, annotations, strict=True):
        if not text:
            continue
        annotation = _child(
            _child(tier, "ANNOTATION"), "REF_ANNOTATION", ANNOTATION_ID=next(identifiers), ANNOTATION_REF=of
        )
        _child(annotation, "ANNOTATION_VALUE").text = _clean(text)


def _types(document: ElementTree.Element, *, task: str, has_vocabulary: bool) -> None:
    vocabulary = {"CONTROLLED_VOCABULARY_REF": _VOCABULARY} if has_vocabulary else {}
    _child(
        document,
        "LINGUISTIC_TYPE",
        LINGUISTIC_TYPE_ID=task,
        TIME_ALIGNABLE="true",
        GRAPHIC_REFERENCES="false",
        **vocabulary,
    )
    _child(
        document,
        "LINGUISTIC_TYPE",
        LINGUISTIC_TYPE_ID="note",
        TIME_ALIGNABLE="false",
        GRAPHIC_REFERENCES="false",
        CONSTRAINTS="Symbolic_Association",
    )
    _child(document, "LANGUAGE", LANG_ID=_LANGUAGE, LANG_LABEL="English (eng)")
    one_to_one = "1-1 association with a parent annotation"
    _child(document, "CONSTRAINT", STEREOTYPE="Symbolic_Association", DESCRIPTION=one_to_one)


def _vocabulary(document: ElementTree.Element, words: tuple[str, ...]) -> None:
    vocabulary = _child(document, "CONTROLLED_VOCABULARY", CV_ID=_VOCABULARY)
    _child(vocabulary, "DESCRIPTION", LANG_REF=_LANGUAGE)
    for number, word in enumerate(words, start=1):
        entry = _child(vocabulary, "CV_ENTRY_ML", CVE_ID=f"cve{number}")
        _child(entry, "CVE_VALUE", LANG_REF=_LANGUAGE, DESCRIPTION="").text = _clean(word)
