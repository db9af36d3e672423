from benchmarks.readme import README, rendered
from benchmarks.record import RESULTS


def test_the_readme_shows_the_recorded_results() -> None:
    assert sorted(path.stem for path in RESULTS.glob("*.json")) == [
        "emodb",
        "emodb_presets",
        "extraction",
        "extraction_growth",
        "foal_net",
        "indexing",
        "mfdr",
        "modalities",
        "store",
        "store_on_disk",
        "tuning",
        "video",
    ]
    assert rendered() == README.read_text(encoding="utf-8"), "run `python -m benchmarks.readme`"
