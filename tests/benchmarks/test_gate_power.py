from benchmarks.gate_power import cells, measured
from benchmarks.gate_power_table import gate_power


def test_more_test_data_and_a_larger_gain_show_a_better_model_more_often() -> None:
    table = {(figure, len(world.dialogue), gain): (figure, world, gain) for figure, world, gain in cells()}
    assert len(table) == 48
    for figure, small, large in (("UA", 0.02, 0.06), ("MAE", 0.02, 0.1)):
        few, more, most = (
            measured(table[figure, utterances, gain], trials=100)
            for utterances, gain in ((400, small), (3_000, small), (3_000, large))
        )
        assert few["rate"] < more["rate"] < most["rate"]
        assert most["dialogues"] == 150


def test_the_table_has_a_row_per_test_set_and_a_column_per_gain() -> None:
    rows = [
        {"figure": figure, "dialogues": 20 * size, "utterances": 400 * size, "gain": gain, "rate": gain, "trials": 2000}
        for figure in ("UA", "MAE")
        for size in (1, 5)
        for gain in (0.02, 0.1)
    ]
    lines = gate_power({"figures": {"rows": rows}, "command": "python -m benchmarks.gate_power"}).splitlines()

    assert "| dialogues | utterances | UA higher by 2 points | UA higher by 10 points |" in lines
    assert "| dialogues | utterances | MAE lower by 0.02 | MAE lower by 0.1 |" in lines
    assert lines.count("| 100 | 2,000 | 2% | 10% |") == 2
