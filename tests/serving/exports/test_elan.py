"""Segments for ELAN: the file has EAF's structure, and a reader of its own finds the same segments."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from merflow.serving.exports.elan import write_elan
from tests.serving.results import SCORED, SEGMENTS, results, score_results, segment

# The order of the elements in EAF's schema, of those that are written.
ORDER = [
    *("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONSTRAINT", "CONTROLLED_VOCABULARY"),
]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "talk.mp4").touch()
    write_elan(tmp_path / "segments.eaf", results(), media=tmp_path / "talk.mp4")
    return tmp_path / "segments.eaf"


def test_the_document_follows_the_schema(written: Path) -> None:
    root = ElementTree.parse(written).getroot()
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert {"AUTHOR", "DATE", "FORMAT", "VERSION"} <= root.attrib.keys()
    tags = [child.tag for child in root]
    assert sorted(tags, key=ORDER.index) == tags
    assert set(tags) == set(ORDER)
    slots = {slot.attrib["TIME_SLOT_ID"] for slot in root.iter("TIME_SLOT")}
    alignable = list(root.iter("ALIGNABLE_ANNOTATION"))
    assert len(alignable) == len(SEGMENTS)
    assert {each.attrib[f"TIME_SLOT_REF{end}"] for each in alignable for end in (1, 2)} == slots
    identifiers = [
        each.attrib["ANNOTATION_ID"] for tag in ("ALIGNABLE", "REF") for each in root.iter(f"{tag}_ANNOTATION")
    ]
    assert len(set(identifiers)) == len(identifiers)
    assert {each.attrib["ANNOTATION_REF"] for each in root.iter("REF_ANNOTATION")} <= set(identifiers)
    types = {each.attrib["LINGUISTIC_TYPE_ID"] for each in root.iter("LINGUISTIC_TYPE")}
    assert {tier.attrib["LINGUISTIC_TYPE_REF"] for tier in root.iter("TIER")} <= types
    vocabulary = {word.text for word in root.iter("CVE_VALUE")}
    assert {each.findtext("ANNOTATION_VALUE") for each in alignable} <= vocabulary
    counter = root.find("HEADER/PROPERTY[@NAME='lastUsedAnnotationId']")
    assert counter is not None
    assert counter.text == str(len(identifiers))


def test_the_recording_is_found(written: Path) -> None:
    media = ElementTree.parse(written).getroot().find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib == {
        "MEDIA_URL": (written.parent / "talk.mp4").as_uri(),
        "MIME_TYPE": "video/mp4",
        "RELATIVE_MEDIA_URL": "./talk.mp4",
    }


def test_another_program_reads_the_same_segments(written: Path) -> None:
    pympi: Any = pytest.importorskip("pympi")
    read = pympi.Elan.Eaf(str(written))
    assert set(read.get_tier_names()) == {"emotion", "smoothed", "probability", "possible", "words"}
    emotions = sorted(read.get_annotation_data_for_tier("emotion"))
    assert [(start, end) for start, end, *_ in emotions] == [
        (round(1000 * each.start_s), round(1000 * each.end_s)) for each in SEGMENTS
    ]
    assert [value for _, _, value, *_ in emotions] == ["angry", "not sure", "no prediction", "sad", "neutral"]
    words = sorted(read.get_ref_annotation_data_for_tier("words"))
    assert [word[2] for word in words] == [each.text for each in SEGMENTS if each.text]
    possible = {start: value for start, _, value, *_ in read.get_ref_annotation_data_for_tier("possible")}
    assert possible[4000] == "angry or happy"
    assert set(read.get_controlled_vocabulary_names()) == {"emotions"}


def test_characters_that_xml_cannot_hold_are_blanks(tmp_path: Path) -> None:
    odd = segment(0, 1, 0.7, 0.1, 0.1, 0.1, text="a\x00b\x1bc\ufffe\u2028 ]]> 😀")
    write_elan(tmp_path / "segments.eaf", results((odd,)), media=None)
    root = ElementTree.parse(tmp_path / "segments.eaf").getroot()
    assert root.findtext("TIER[@TIER_ID='words']//ANNOTATION_VALUE") == "a b c \u2028 ]]> 😀"
    assert root.find("HEADER/MEDIA_DESCRIPTOR") is None


def test_a_recording_without_speech_is_a_document_too(tmp_path: Path) -> None:
    write_elan(tmp_path / "segments.eaf", results(()), media=None)
    root = ElementTree.parse(tmp_path / "segments.eaf").getroot()
    assert [tier.attrib["TIER_ID"] for tier in root.iter("TIER")].index("emotion") == 0
    assert list(root.iter("ANNOTATION")) == []


def test_scores_have_tiers_of_their_own_and_no_vocabulary(tmp_path: Path) -> None:
    write_elan(tmp_path / "segments.eaf", score_results(), media=None)
    root = ElementTree.parse(tmp_path / "segments.eaf").getroot()
    tags = [child.tag for child in root]
    assert sorted(tags, key=ORDER.index) == tags
    assert "CONTROLLED_VOCABULARY" not in tags
    types = {each.attrib["LINGUISTIC_TYPE_ID"]: each for each in root.iter("LINGUISTIC_TYPE")}
    assert "CONTROLLED_VOCABULARY_REF" not in types["sentiment"].attrib
    tiers = {
        tier.attrib["TIER_ID"]: [value.text for value in tier.iter("ANNOTATION_VALUE")] for tier in root.iter("TIER")
    }
    assert list(tiers) == ["sentiment", "smoothed", "score", "low", "high", "words"]
    assert tiers["sentiment"][:3] == ["-2.6 (-3.0 to -1.7)", "not sure: 0.0 (-0.9 to 0.9)", "no prediction"]
    assert (tiers["score"], tiers["low"][0]) == (["-2.600", "-0.040", "1.250", "2.000"], "-3.000")
    assert {tier.attrib.get("PARENT_REF", "") for tier in root.iter("TIER")} == {"", "sentiment"}
    assert len(list(root.iter("ALIGNABLE_ANNOTATION"))) == len(SCORED)
