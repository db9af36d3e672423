from datetime import UTC, datetime
from pathlib import Path

import pytest

from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import MonitoringError
from merflow.monitoring.window import check_labels, moment, only_version, read_labels, window_of
from tests.monitoring.made import CLASSES, MODEL, VERSION, World

NOW = datetime(2026, 5, 15, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def records() -> list[TrafficRecord]:
    return World().traffic(56, seed=0)[0]  # two per day, from 1 May


def test_a_span_of_time(records: list[TrafficRecord]) -> None:
    since, until = moment("2026-05-03", option="--since"), moment("2026-05-05T12:00", option="--until")
    window = window_of(records, model=MODEL, version=VERSION, since=since, until=until)
    assert (len(window.answered), window.since[:10], window.until[:10]) == (4, "2026-05-03", "2026-05-04")


@pytest.mark.parametrize(("text", "expected"), [("24h", (14, 12)), ("7d", (8, 12)), ("2w", (1, 12))])
def test_moments_before_now(text: str, expected: tuple[int, int]) -> None:
    found = moment(text, option="--since", now=NOW)
    assert found is not None
    assert (found.day, found.hour) == expected


@pytest.mark.parametrize("text", ["yesterday", "d", "2026-13-01", "9e99d"])
def test_other_moments_are_refused(text: str) -> None:
    with pytest.raises(MonitoringError, match="is not a time; write a date"):
        moment(text, option="--since")


def test_a_span_needs_times(records: list[TrafficRecord]) -> None:
    timeless = [record.model_copy(update={"time": ""}) for record in records]
    with pytest.raises(MonitoringError, match="clip clip-0 has no time"):
        window_of(timeless, model=MODEL, version=VERSION, since=NOW, until=None)
    assert window_of(timeless, model=MODEL, version=VERSION, since=None, until=None).since == ""


def test_versions_and_refusals(records: list[TrafficRecord]) -> None:
    other = [record.model_copy(update={"version": "4"}) for record in records[:10]]
    refused = TrafficRecord(time="", model=MODEL, version=VERSION, clip_id="x", refused="it is empty")
    window = window_of([*records, *other, refused], model=MODEL, version=VERSION, since=None, until=None)
    assert (len(window.answered), window.refused, window.left_out) == (56, 1, 10)
    with pytest.raises(MonitoringError, match="no clip was answered by version 9 of speech; the logs have versions 3"):
        window_of([*records, *other], model=MODEL, version="9", since=None, until=None)
    with pytest.raises(MonitoringError, match="the logs of faces also have clips of speech"):
        window_of(records, model="faces", version=VERSION, since=None, until=None)
    assert only_version(records) == (MODEL, VERSION)
    with pytest.raises(MonitoringError, match="clips of speech version 3 and speech version 4; name one"):
        only_version([*records, *other])
    with pytest.raises(MonitoringError, match="the reference has no clip"):
        only_version([])


def test_labels(tmp_path: Path, records: list[TrafficRecord]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("clip_id,label,who\nclip-1,happy,me\nclip-2,sad,me\nelsewhere,sad,me\n")
    labels = read_labels(path, classes=CLASSES)
    assert labels == {"clip-1": "happy", "clip-2": "sad", "elsewhere": "sad"}
    assert check_labels(labels, records) == 1
    with pytest.raises(MonitoringError, match="clip clip-1 has a label and occurs 2 times"):
        check_labels(labels, [*records, records[1]])
    with pytest.raises(MonitoringError, match="none of 1 label, such as that of x, belongs to a clip in the window"):
        check_labels({"x": "sad"}, records)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip,label\n", "has no column clip_id; its header must be clip_id,label"),
        ("clip_id,label\nc,hapy\n", "line 2: label 'hapy' is not a class of the model; did you mean 'happy'"),
        ("clip_id,label\nc,happy\nc,sad\n", "line 3: clip c has two labels"),
        ("clip_id,label\nc\n", "line 2: label '' is not a class"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(MonitoringError, match=said):
        read_labels(path, classes=CLASSES)
    with pytest.raises(MonitoringError, match="cannot read"):
        read_labels(tmp_path / "absent.csv", classes=CLASSES)
