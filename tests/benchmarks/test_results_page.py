from benchmarks.quality_tables import QUALITY
from benchmarks.record import ON_GPU, RESULTS
from benchmarks.results_page import PAGE, rendered
from benchmarks.speed_tables import SPEED


def test_the_page_shows_the_recorded_results() -> None:
    assert sorted(path.stem for path in RESULTS.glob("*.json") if not path.stem.endswith(ON_GPU)) == [
        "against_classics",
        "emodb_presets",
        "extraction",
        "extraction_growth",
        "finetuning",
        "foal_net",
        "gate_error_rates",
        "indexing",
        "learning_curves",
        "mfdr",
        "mfdr_presets",
        "modalities",
        "monitor_false_alarms",
        "real_size",
        "store",
        "store_on_disk",
        "trainer",
        "tuning",
        "video",
    ]
    assert rendered() == PAGE.read_text(encoding="utf-8"), "run `python -m benchmarks.results_page`"


def test_every_recorded_result_has_a_table_in_one_of_two_sections() -> None:
    names = {path.stem for path in RESULTS.glob("*.json")}
    assert len(names) > 10
    assert {name.removesuffix(ON_GPU) for name in names} <= QUALITY.keys() | SPEED.keys()
    assert not QUALITY.keys() & SPEED.keys()
    assert 0 < rendered().index("## Quality\n") < rendered().index("## Speed and memory\n")
