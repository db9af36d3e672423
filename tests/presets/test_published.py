"""The papers' own figures: each appears where it belongs, and nowhere else."""

import csv
import json
from collections import Counter
from importlib.resources import files

import pytest

from merflow.contracts.numerals import quoted
from merflow.contracts.published import METRICS, by_test
from merflow.presets import catalogue, published
from tests.cli.command import merflow

ROWS = list(csv.DictReader((files("merflow.presets") / "published.csv").read_text().splitlines()))
# What names a figure: variant, corpus, protocol, table, metric, value.
Named = tuple[str, str, str, str, str, float]


def printed() -> list[Named]:
    """Figures of the file, row by row."""
    return [
        (f"{row['model']}:{row['preset']}", row["corpus"], row["protocol"], row["table"], metric, float(row[metric]))
        for row in ROWS
        for metric in METRICS
        if row[metric]
    ]


def test_every_figure_is_listed_with_its_corpus_protocol_and_metric_and_nowhere_else() -> None:
    listed = [
        (
            f"{preset['model']}:{preset['preset']}",
            *(figure[key] for key in ("corpus", "protocol", "table", "metric", "value")),
        )
        for preset in json.loads(merflow("presets", "--json").out)
        for figure in preset["published"]
    ]
    trainable = [figure for figure in printed() if figure[0] not in catalogue.unavailable()]
    assert len(trainable) > 150
    assert Counter(listed) == Counter(trainable)
    assert {(corpus, protocol) for _, corpus, protocol, *_ in listed} == {
        *(("iemocap4", "session-5fold"), ("iemocap4", "speaker-10fold"), ("iemocap4", "session5-only")),
        ("mosei", "official"),
    }
    assert {metric for _, corpus, *_, metric, _ in listed if corpus == "mosei"} == {"F1", "ACC7", "ACC2"}


def test_the_papers_tables_hold_every_row_in_its_order() -> None:
    tables = catalogue.published_tables()
    assert [(table.model, table.number) for table in tables] == [
        *(("context-mmt", "1"), ("context-mmt", "2"), ("foal-net", "2"), ("gia-mic", "1"), ("gia-mic", "2")),
        *(("layer-adapter-fusion", "1"), ("layer-adapter-fusion", "2"), ("mfdr", "1"), ("mfdr", "2"), ("mfdr", "3")),
    ]
    assert sum(len(table.rows) for table in tables) == len(ROWS) == 87
    in_tables = [
        (row.variant, figure.corpus, figure.protocol, table.number, figure.metric, figure.value)
        for table in tables
        for row in table.rows
        for figure in row.figures
    ]
    assert sorted(in_tables) == sorted(printed())
    for table in tables:
        rows = [row for row in ROWS if (row["model"], row["table"]) == (table.model, table.number)]
        assert [row.variant.partition(":")[2] for row in table.rows] == [row["preset"] for row in rows]
        assert [row.first.note for row in table.rows] == [row["note"] for row in rows]


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['model']}:{row['preset']}, {row['corpus']}, {row['protocol']}"
)
def test_a_figure_stands_alone_only_next_to_runs_of_its_own_test(row: dict[str, str]) -> None:
    variant = f"{row['model']}:{row['preset']}"
    figures = published.figures_of(variant)
    metrics = [metric for metric in METRICS if row[metric]]
    alone = quoted(figures, metrics, corpus=row["corpus"], protocol=row["protocol"])
    assert alone is not None
    assert [float(part.rstrip("?")) for part in alone.split(" / ")] == [float(row[metric]) for metric in metrics]
    assert alone.endswith("?") == (row["uncertain"] == "yes")
    for corpus, protocol in ((None, row["protocol"]), (row["corpus"], "leave-one-speaker-out")):
        said = quoted(figures, metrics, corpus=corpus, protocol=protocol)
        assert said is not None
        assert said.endswith(("-5fold)", "-10fold)", "-only)", "official)"))


def test_only_the_frozen_row_on_session_5_is_uncertain() -> None:
    figures = [figure for preset in catalogue.presets().values() for figure in preset.published]
    uncertain = [(figure.metric, figure.test, figure.text) for figure in figures if figure.uncertain]
    assert uncertain == [
        ("WA", ("iemocap4", "session5-only"), "78.32?"),
        ("UA", ("iemocap4", "session5-only"), "80.56?"),
    ]


def test_figures_of_other_tests_name_theirs_and_the_runs_protocol_comes_first() -> None:
    full = published.figures_of("mfdr:full")
    say = {
        ("iemocap4", "session-5fold"): "77.0 / 75.7",
        ("iemocap4", "speaker-10fold"): "79.2 / 78.4",
        (None, "speaker-10fold"): "79.2 / 78.4 (iemocap4, speaker-10fold)",
        ("iemocap4", "session5-only"): "77.0 / 75.7 (iemocap4, session-5fold)",
        (None, "official"): "77.0 / 75.7 (iemocap4, session-5fold)",
    }
    for (corpus, protocol), expected in say.items():
        assert quoted(full, ("UA", "WA"), corpus=corpus, protocol=protocol) == expected
    assert quoted(full, ("ACC7", "UA"), corpus="mosei", protocol="official") == "53.7 / \N{EN DASH}"
    assert quoted((), ("UA",), corpus=None, protocol="session-5fold") is None
    assert len(by_test(full)) == 3


def test_a_window_of_table_3_is_never_next_to_the_five_fold_row() -> None:
    window = published.figures_of("mfdr:window-30")
    assert quoted(window, ("UA",), corpus="iemocap4", protocol="session-5fold") == "78.3 (iemocap4, speaker-10fold)"
