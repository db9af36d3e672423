import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.history import EpochFigures
from merflow.contracts.results import Results
from merflow.contracts.scores import Accuracy, OverSeeds, Spread
from merflow.errors import OutputError
from merflow.evaluation.inspection_file import FoldInspection, InspectedUtterance, ModuleAverages, NamedArray
from merflow.evaluation.report.origin import Origin
from merflow.evaluation.report.page import write_report
from tests.contracts.records import epoch
from tests.evaluation.finished import (
    CLASSES,
    NAMES,
    PAPERS,
    TRAINING,
    changed,
    fold,
    results_of_three,
    side_columns,
    variant,
    with_statistics,
)
from tests.evaluation.report.html import ReadPage


@pytest.fixture
def results() -> Results:
    return results_of_three()


def _history() -> dict[tuple[int, int], list[EpochFigures]]:
    return {(number, 0): [epoch(each, dev_ua=each / 4) for each in (1, 2, 3)] for number in (1, 2, 3)}


def _written(results: Results, path: Path, **changes: Any) -> tuple[ReadPage, str]:  # noqa: ANN401 - any argument
    origin: dict[str, Any] = {
        "title": "demo",
        "command": "merflow benchmark --out runs/demo",
        "identity": {"corpus": "synthetic", "commit": "c0ffee"},
    }
    origin |= {name: changes.pop(name) for name in tuple(origin) if name in changes}
    write_report(results, path, **{"origin": Origin(**origin), "histories": {NAMES[0]: _history()}, **changes})
    html = path.read_text(encoding="utf-8")
    return ReadPage.of(html), html


def test_the_page_is_whole_and_needs_nothing_next_to_it(results: Results, tmp_path: Path) -> None:
    page, html = _written(results, tmp_path / "deep" / "report.html")

    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.links
    inner = [link for link in page.links if link.startswith("#")]
    assert all(link[1:] in page.ids for link in inner)
    assert set(page.links) - set(inner) == {"data:,"}, "a favicon of nothing, and nothing else"
    assert "default-src 'none'" in html, "the browser itself forbids any request"
    assert "https:" not in html
    assert "http:" not in html
    assert "url(" not in html
    assert 'src="' not in html


def test_the_page_says_what_was_found(results: Results, tmp_path: Path) -> None:
    page, _ = _written(results, tmp_path / "report.html")
    table = page.text[page.text.index("Percent, best variant first") :]
    order = [table.index(f"{name} ") for name in NAMES]

    assert order == sorted(order)
    for expected in (
        "70.0%",
        "65.0\N{EN DASH}75.0",
        "77.25 / 76.5 (iemocap4, session-5fold)",
        "encoders frozen; the paper fine-tunes them",
        "fedcba9876543210",
        "0123456789abcdef",
        "c0ffee",
        "merflow benchmark --out runs/demo",
        "lowest loss of one training speaker",
        "angry 35, happy 36, neutral 37, sad 38",
        "2,000 bootstrap resamples",
        "\N{MINUS SIGN}1.0 to +20.0",
        "0.210",
        "< 0.001",
    ):
        assert expected in page.text, expected


def test_side_columns_are_distinguished_from_the_honest_figures(results: Results, tmp_path: Path) -> None:
    page, _ = _written(changed(results, NAMES[0], **side_columns()), tmp_path / "report.html")
    assert {"bias", "missing"} <= set(page.ids)
    assert f"{NAMES[0]} 70.0 75.0 +5.0 +1.0 to +9.0 75.0 +5.0" in page.text
    assert "no such model can be promoted" in page.text
    assert "70.0 40.0 (\N{MINUS SIGN}30.0)" in page.text


def test_seeds_get_a_column_where_there_are_several(results: Results, tmp_path: Path) -> None:
    assert "UA by seed" not in _written(results, tmp_path / "one.html")[0].text
    over = OverSeeds(ua=Spread(mean=0.66, std=0.012), wa=Spread(mean=0.66, std=0.012), each=())
    folds = tuple(fold(number, ua=0.6, seed=seed) for number in (1, 2, 3) for seed in (0, 2))
    for name in NAMES:
        results = changed(results, name, over_seeds=over, folds=folds)
    page, _ = _written(results.model_copy(update={"seeds": (0, 2)}), tmp_path / "two.html")
    assert "UA by seed" in page.text
    assert "66.0 ± 1.2" in page.text
    assert "fold 3, seed 2" in page.text
    assert [trace["name"] for trace in page.figures["spread"]["data"]] == ["seed 0", "seed 2", "mean"]


def test_names_cannot_break_the_page(results: Results, tmp_path: Path) -> None:
    page, html = _written(
        results, tmp_path / "report.html", title="<b>&", command="a < b && c", identity={"<i>": "<script>"}
    )

    assert page.open == []
    assert "<b>&" in page.text
    assert "a < b && c" in page.text
    assert "<script> " not in html
    assert "&lt;script&gt;" in html


def test_one_variant_without_interval_history_or_paper_is_a_page_too(results: Results, tmp_path: Path) -> None:
    one = variant(
        0.5,
        ua=Accuracy(mean=0.5, std=None, pooled=0.5),
        folds=(fold(1, ua=0.5, chosen_epoch=None, dev_ua=None, dev_loss=None),),
    )
    alone = results.model_copy(update={"variants": {NAMES[0]: one}, "comparisons": ()})
    page, html = _written(alone, tmp_path / "r.html", histories={})

    assert page.open == []
    assert "comparisons" not in page.ids
    assert 'class="interval"' not in html
    assert not any(key.startswith("losses-") for key in page.figures)
    assert "No other variant was tested" in page.text


def test_a_diverged_loss_is_left_out_of_its_curve(results: Results, tmp_path: Path) -> None:
    history = _history()
    history[1, 0][2] = epoch(3, train_loss=float("nan"))
    page, html = _written(results, tmp_path / "report.html", histories={NAMES[0]: history})

    losses = page.figures["losses-context-mmt-mmt-frozen"]["data"]
    assert [trace["y"] for trace in losses if trace["name"] == "training"] == [[1, 1, None], [1, 1, 1], [1, 1, 1]]
    assert not re.search(r"\bnan\b", re.sub("<script.*?</script>", "", html, flags=re.S), re.I)


def test_charts_show_the_numbers_of_the_results(results: Results, tmp_path: Path) -> None:
    results = with_statistics(results)
    page, html = _written(results, tmp_path / "report.html")
    folds, means = page.figures["spread"]["data"]
    assert folds["x"] == pytest.approx([100 * test.ua for name in NAMES for test in results.variants[name].folds])
    assert means["x"] == pytest.approx([70, 60, 50])
    diagonal, bins = page.figures["reliability-context-mmt-mmt-frozen"]["data"]
    assert diagonal["x"] == diagonal["y"] == [0, 100]
    assert (bins["x"], bins["y"]) == (pytest.approx([45, 60]), pytest.approx([40, 44]))
    improvised = page.figures["chart-by-setting"]["data"][0]
    assert improvised["y"] == pytest.approx([71, 68])
    assert improvised["error_y"]["array"] == pytest.approx([9, 0])
    assert improvised["error_y"]["arrayminus"] == pytest.approx([11, 0])
    *_, chosen = page.figures["recalls-context-mmt-mmt-frozen"]["data"]
    assert chosen["x"] == [2, 2, 2]
    assert chosen["y"] == pytest.approx([50, 50, 50])
    assert len(page.figures) == html.count('role="img"') == 1 + 3 + 1 + 2, (
        "each chart has words for those who cannot see"
    )


def test_what_a_fold_showed_is_drawn_with_words_next_to_it(results: Results, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    maps = {
        "fusion": NamedArray(random.random((4, 6)), ("text", "speech")),
        "gate": NamedArray(random.random(6), ("speech",)),
    }
    seen = InspectedUtterance("u7", "<hello>", "sad", dict.fromkeys(CLASSES, 0.1) | {"happy": 0.7}, maps, {})
    layers = ModuleAverages(random.random((40, 3)), "layer")
    vectors = random.normal(size=(40, 5))
    vectors[:20, 0] += 90
    inspected = FoldInspection(("sad",) * 20 + ("angry",) * 20, vectors, {"layers": layers}, (seen,))
    page, html = _written(results, tmp_path / "report.html", inspections={NAMES[1]: ("fold 1", inspected)})
    figures = [link for link in page.links if link.startswith("data:image/webp;base64,")]
    assert len(figures) == 2
    assert all(base64.b64decode(link.partition(",")[2])[8:12] == b"WEBP" for link in figures)
    assert html.count(" alt=") == 2
    assert "true emotion sad, predicted happy with 70.0%" in html
    assert "100.0% of an utterance's ten nearest neighbours share its emotion (chance: 48.7%)." in page.text
    points = page.figures["tsne-context-mmt-mmt-finetuned"]["data"]
    assert [len(trace["x"]) for trace in points] == [20, 0, 0, 20]
    assert [trace["name"] for trace in points][:2] == ["angry (20)", "happy (0)"]


def test_a_fold_whose_embeddings_are_all_alike_has_a_note_in_place_of_the_chart(
    results: Results, tmp_path: Path
) -> None:
    dead = FoldInspection(("sad", "angry") * 20, np.ones((40, 5), dtype=np.float32), {}, ())
    page, _ = _written(results, tmp_path / "report.html", inspections={NAMES[1]: ("fold 1", dead)})
    assert f"{NAMES[1]}fold 1No t-SNE: the embeddings of all utterances are equal." in page.text
    assert not [name for name in page.figures if name.startswith("tsne-")]


def test_each_pair_stands_in_the_matrix_from_both_sides(results: Results, tmp_path: Path) -> None:
    page, _ = _written(results, tmp_path / "report.html")
    for cells in (
        f"{NAMES[0]} · +10.0 0.210 +20.0 ▲ 0.003",
        f"{NAMES[2]} \N{MINUS SIGN}20.0 ▼ 0.003 \N{MINUS SIGN}10.0 0.210 ·",
    ):
        assert cells in page.text, cells


def test_the_papers_tables_are_next_to_ours(results: Results, tmp_path: Path) -> None:
    page, _ = _written(results, tmp_path / "report.html", papers=PAPERS)
    assert "paper-context-mmt-3" in page.ids
    assert "paper-mfdr-1" not in page.ids
    assert "The figures of this run are on synthetic data and say nothing about real speech." in page.text


def test_a_place_that_cannot_be_written_is_named(results: Results, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*report\.html"):
        _written(results, tmp_path / "file" / "report.html")


def test_words_that_the_preset_did_not_ask_for_are_reported(results: Results, tmp_path: Path) -> None:
    training = TRAINING.model_copy(update={"transcripts_of_preset": "asr"})
    note = "trained on reference transcripts; the preset asks for ASR transcripts"
    page, _ = _written(changed(results, NAMES[1], training=training), tmp_path / "report.html")
    assert page.text.count(note) == 2  # in the table and beside the learning curves
