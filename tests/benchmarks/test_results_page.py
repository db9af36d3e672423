from benchmarks.quality_tables import QUALITY
from benchmarks.record import ON_GPU, RESULTS
from benchmarks.results_page import PAGE, rendered
from benchmarks.speed_tables import SPEED
from benchmarks.use_tables import USE


def test_the_page_shows_the_recorded_results() -> None:
    assert sorted(path.stem for path in RESULTS.glob("*.json") if not path.stem.endswith(ON_GPU)) == [
        "against_classics",
        "emodb_presets",
        "extraction",
        "extraction_growth",
        "finetuning",
        "foal_net",
        "gate_error_rates",
        "gate_power",
        "gate_score_error_rates",
        "indexing",
        "learning_curves",
        "mfdr",
        "mfdr_presets",
        "modalities",
        "monitor_false_alarms",
        "mosei",
        "real_size",
        "s3_first_batch",
        "s3_transfer",
        "same_answers",
        "serve",
        "serve_kills",
        "store",
        "store_on_disk",
        "trainer",
        "tuning",
        "video",
    ]
    assert rendered() == PAGE.read_text(encoding="utf-8"), "run `python -m benchmarks.results_page`"


def test_every_recorded_result_has_a_table_in_one_of_three_sections() -> None:
    names = {path.stem for path in RESULTS.glob("*.json")}
    assert len(names) > 10
    assert {name.removesuffix(ON_GPU) for name in names} <= QUALITY.keys() | SPEED.keys() | USE.keys()
    assert len(QUALITY.keys() | SPEED.keys() | USE.keys()) == len(QUALITY) + len(SPEED) + len(USE)
    headings = [rendered().index(f"## {name}\n") for name in ("Quality", "Speed and memory", "Models in use")]
    assert headings == sorted(headings)
