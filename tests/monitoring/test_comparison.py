"""Unshifted traffic does not alarm, planted shifts do; the error rates are measured by the benchmark's simulation."""

import pytest

from benchmarks.monitor_false_alarms import alarm_rate
from merflow.contracts.drift_results import DriftResults, NumberCheck, read_drift, write_drift
from merflow.errors import MonitoringError
from merflow.evaluation.drift import ALPHA
from merflow.evaluation.significance import holm
from merflow.monitoring.comparison import compared
from merflow.monitoring.reference import reference_of_traffic
from merflow.monitoring.verdict import drift_verdict
from merflow.monitoring.window import Window
from tests.monitoring.made import CLASSES, MODEL, VERSION, World


def results_of(world: World, *, clips: int = 600, seed: int = 1, with_labels: bool = False) -> DriftResults:
    reference, _ = World().traffic(2000, seed=0)
    records, labels = world.traffic(clips, seed=seed)
    window = Window(tuple(records), refused=0, left_out=0, since="", until="")
    earlier = reference_of_traffic(reference, classes=CLASSES, promised=0.9)
    return compared(window, earlier, model=MODEL, version=VERSION, labels=labels if with_labels else {})


def drifted(results: DriftResults) -> set[str]:
    return {check.name for check in results.drifted}


def test_the_same_world_does_not_drift() -> None:
    results = results_of(World(), with_labels=True)
    assert {check.name for check in results.checks} == {
        *("duration_s", "level_dbfs", "words", "confidence", "predicted", "abstention", "coverage")
    }
    assert not results.drifted
    assert drift_verdict(results).headline == "speech version 3: no drift"


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World(louder_db=6), {"level_dbfs"}),
        (World(longer=1.8), {"duration_s", "words"}),
        (World(shares=(0.6, 0.1, 0.2, 0.1)), {"predicted"}),
    ],
)
def test_a_planted_shift_drifts_and_nothing_else(world: World, expected: set[str]) -> None:
    results = results_of(world)
    assert drifted(results) == expected
    assert len(drift_verdict(results).sentences) == 1 + len(expected)


def test_a_model_that_gets_worse_loses_confidence_and_coverage() -> None:
    assert {"confidence", "coverage", "abstention"} <= drifted(results_of(World(skill=0.5), with_labels=True))


def test_a_trivial_difference_in_a_huge_window_is_not_drift() -> None:
    level = next(check for check in results_of(World(louder_db=0.8), clips=8000).numbers if check.name == "level_dbfs")
    assert level.adjusted < ALPHA
    assert not level.drifted


def test_all_p_values_are_adjusted_together() -> None:
    checks = results_of(World(louder_db=1), with_labels=True).checks
    assert [check.adjusted for check in checks] == pytest.approx(holm([check.p_value for check in checks]))


def test_too_few_clips_are_not_compared() -> None:
    results = results_of(World(louder_db=20), clips=99)
    assert not results.enough
    assert not results.checks
    assert "too few clips" in drift_verdict(results).headline
    assert "takes 100; there are 99" in drift_verdict(results).sentences[1]


def test_a_check_needs_enough_clips_that_know_the_number() -> None:
    records, _ = World().traffic(300, seed=1)
    wordless = [
        record.model_copy(update={"words": None}) if number > 50 else record for number, record in enumerate(records)
    ]
    earlier = reference_of_traffic(records, classes=CLASSES)
    window = Window(tuple(wordless), refused=0, left_out=0, since="", until="")
    results = compared(window, earlier, model=MODEL, version=VERSION, labels={})
    assert [check.name for check in results.numbers] == ["duration_s", "level_dbfs", "confidence"]


def test_other_classes_are_refused() -> None:
    records, _ = World().traffic(200, seed=1)
    with pytest.raises(MonitoringError, match=r"clip clip-0 has probabilities of angry, .* classes are happy and sad"):
        reference_of_traffic(records, classes=("happy", "sad"))


def test_results_are_read_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drift")
    results = results_of(World(longer=2), with_labels=True)
    write_drift(folder, results)
    assert read_drift(folder) == results
    assert all(isinstance(check, NumberCheck) for check in read_drift(folder).numbers)


def test_false_alarms_are_within_the_stated_level() -> None:
    alarms, windows = alarm_rate("none", clips=300, windows=120, seed=7)
    assert alarms <= 3  # with a level of 1%, more have a probability of 0.03
    assert windows == 120


def test_planted_shifts_are_found() -> None:
    for shift in ("louder by 3 dB", "half longer", "other shares"):
        alarms, windows = alarm_rate(shift, clips=500, windows=20, seed=7)
        assert alarms >= 0.9 * windows, shift
