import pandas as pd
from rich.console import Console
from rich.table import Table

from merflow.contracts.regime import Regime
from merflow.evaluation.classics import Reads
from merflow.evaluation.comparisons import ComparedOrigin
from merflow.evaluation.report.terminal import comparison_tables, results_table
from merflow.evaluation.scores.comparisons import compare_scores
from tests.evaluation.finished import SELECTION
from tests.evaluation.scores.rated import PARAMS, classics, held_out, predictions, results_of_three, utterances


def _printed(table: Table) -> str:
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_results_are_printed_best_first_with_their_floors_and_conventions() -> None:
    results = results_of_three()
    text = _printed(results_table(results))

    best = results.variants["mfdr:full"]
    lines = [line for line in text.splitlines() if line.startswith(("mfdr:", "floor:"))]
    assert [line.split("  ")[0] for line in lines] == [
        *("mfdr:full", "mfdr:no-context", "mfdr:gru"),
        *("floor: median", "floor: mean", "floor: majority"),
    ]
    assert f"{best.mae:.3f}" in lines[0]
    assert "ACC2 has0, %" in text
    assert "ACC2 non0, %" in text


def test_a_comparison_prints_variants_and_pairs() -> None:
    rows = utterances()
    tables = [predictions(rows, preset, error=error) for preset, error in (("full", 0.4), ("gru", 1.2))]
    origin = ComparedOrigin("runs/a", SELECTION, Regime(asked=("frozen",), ran=("frozen",)), {"speech": "wavlm"})
    compared = compare_scores(
        pd.concat(tables),
        held_out(rows),
        runs=["runs/a"],
        origins=dict.fromkeys(("mfdr:full", "mfdr:gru"), origin),
        params=PARAMS,
    )
    variants, pairs = (_printed(table) for table in comparison_tables(compared))

    assert compared.ranked == ("mfdr:full", "mfdr:gru")
    assert f"{compared.variants['mfdr:full'].mae:.3f}" in variants
    assert "runs/a" in variants
    assert "mfdr:full  mfdr:gru" in pairs
    assert "MAE decides" in pairs


def test_a_comparison_prints_the_classics_that_read_no_more() -> None:
    rows = utterances()
    origin = ComparedOrigin("runs/a", SELECTION, Regime(asked=("frozen",), ran=("frozen",)), {"speech": "wavlm"})
    reads = {
        "mfdr:full": Reads(("audio", "text"), context=False, transcripts="truth"),
        "mfdr:gru": Reads(("audio",), context=False, transcripts=None),
    }
    compared = compare_scores(
        pd.concat([predictions(rows, preset, error=error) for preset, error in (("full", 0.4), ("gru", 1.2))]),
        held_out(rows),
        runs=["runs/a"],
        origins=dict.fromkeys(reads, origin),
        params=PARAMS,
        classics=classics(rows, {"tfidf": 1.1, "late": 0.9}),
        reads=reads,
    )
    variants, _, against = (_printed(table) for table in comparison_tables(compared))

    lines = [line.split("  ")[0] for line in variants.splitlines() if line.startswith(("mfdr:", "classic:"))]
    assert lines == ["mfdr:full", "mfdr:gru", "classic:late", "classic:tfidf"]
    assert f"{compared.classics['classic:late'].mae:.3f}" in variants
    pairs = [tuple(line.split()[:2]) for line in against.splitlines() if line.startswith("mfdr:")]
    assert pairs == [("mfdr:full", "classic:late"), ("mfdr:full", "classic:tfidf")], "mfdr:gru reads no words"
    assert "below 0, the variant has the lower error" in " ".join(against.split())
