from pathlib import Path

import pytest

from merflow.contracts.traffic_log import TrafficLog, TrafficRecord, read_traffic
from merflow.errors import FormatError, OutputError


def record(number: int) -> TrafficRecord:
    return TrafficRecord(
        time="2026-05-01T12:00:00+00:00",
        model="speech",
        version="3",
        clip_id=f"clip {number}",
        duration_s=2.5,
        words=number,
        modalities=("audio",),
        probabilities={"happy": 0.25, "sad": 0.75},
        possible=("sad",),
        sure=True,
        abstains=True,
    )


def test_records_are_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "traffic.jsonl"
    refused = TrafficRecord(time="", model="speech", version="3", clip_id="x", refused="it is empty")
    with TrafficLog(path) as log:
        log.add([record(1), refused])
    with TrafficLog(path) as log:
        log.add([record(2)])
    assert list(read_traffic(path)) == [record(1), refused, record(2)]
    assert record(1).emotion == "sad"
    assert record(1).confidence == 0.75


def test_one_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    with TrafficLog(path), pytest.raises(OutputError, match="another process writes to"):
        TrafficLog(path)


def test_what_a_killed_process_left_is_skipped_and_then_removed(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    with TrafficLog(path) as log:
        log.add([record(1)])
    with path.open("ab") as file:
        file.write(b'{"time": "2026-')
    assert list(read_traffic(path)) == [record(1)]
    with TrafficLog(path) as log:
        log.add([record(2)])
    assert list(read_traffic(path)) == [record(1), record(2)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no json", "line 2 is damaged"),
        ('{"time": ""}', "line 2 is damaged .model: Field required"),
        (
            '{"time": "", "model": "m", "version": "1", "clip_id": "c", "probabilities": {"a": 0.4}}',
            "line 2 is damaged .*probabilities are not a distribution",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "traffic.jsonl"
    path.write_text(f"{record(1).model_dump_json()}\n{line}\n{record(2).model_dump_json()}\n")
    with pytest.raises(FormatError, match=said):
        list(read_traffic(path))
    with pytest.raises(FormatError, match="cannot read"):
        list(read_traffic(tmp_path / "absent.jsonl"))


def score(**changes: object) -> TrafficRecord:
    facts: dict[str, object] = {"score": 1.25, "low": 0.5, "high": 2.0, "abstained": False, "format": 2, "sure": True}
    return TrafficRecord.model_validate({"time": "", "model": "mood", "version": "1", "clip_id": "a"} | facts | changes)


def test_scores_are_read_back_and_emotions_have_none_of_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    plain = score(low=None, high=None)
    with TrafficLog(path) as log:
        log.add([score(), plain, record(1)])
    assert list(read_traffic(path)) == [score(), plain, record(1)]
    first, *_, emotion = path.read_text(encoding="utf-8").splitlines()
    assert '"score":1.25,"low":0.5,"high":2.0,"abstained":false,"format":2' in first
    for word in ("score", "low", "high", "abstained", "format"):
        assert f'"{word}"' not in emotion


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 1},
        {"format": 3},
        {"abstained": None},
        {"score": None},
        {"low": None},
        {"low": 3.0},
        {"probabilities": {"sad": 1.0}},
        {"refused": "it is empty"},
    ],
)
def test_half_a_score_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"validation error"):
        score(**changes)
