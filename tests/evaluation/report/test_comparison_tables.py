import io
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from merflow.evaluation.comparisons import compare_variants
from merflow.evaluation.report.comparison_tables import comparisons_table, variants_table
from tests.evaluation.test_results import CLASSES, PARAMS, corpus, table


def found(*seeds: int, skills: tuple[float, ...]) -> dict[str, Any]:
    predictions = [
        table(corpus(), f"p{place}", skill=skill, draw=place, seed=seed)
        for place, skill in enumerate(skills)
        for seed in seeds
    ]
    compared = compare_variants(
        pd.concat(predictions), corpus(), protocol="session-5fold", classes=CLASSES, folds=range(1, 6), params=PARAMS
    )
    for variant in compared["variants"].values():
        variant |= {"run": "runs/x", "selection": "lowest loss"}
    return compared


def text(shown: Table, *, color: bool = False) -> str:
    console = Console(file=io.StringIO(), width=250, force_terminal=color)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(shown: Table) -> str:
    """The text in one line: captions wrap at the table's width."""
    return " ".join(text(shown).split())


def test_variants_stand_by_falling_ua() -> None:
    compared = found(0, skills=(0.3, 0.9))
    lines = text(variants_table(compared)).splitlines()

    best, second = (compared["variants"][f"context-mmt:{name}"]["UA"] for name in ("p1", "p0"))
    assert lines[1].split()[:2] == ["context-mmt:p1", f"{100 * best['pooled']:.1f}"]
    assert lines[2].split()[:2] == ["context-mmt:p0", f"{100 * second['pooled']:.1f}"]
    assert f"{100 * best['ci95'][0]:.1f}\N{EN DASH}{100 * best['ci95'][1]:.1f}" in lines[1]
    assert "200 test utterances in 20 dialogues; epoch chosen by lowest loss" in words(variants_table(compared))


def test_a_pair_has_points_and_p_values_and_is_bold_where_it_is_clear() -> None:
    clear, doubtful = found(0, skills=(0.3, 0.9)), found(0, skills=(0.6, 0.6))
    (pair,) = clear["comparisons"]
    lines = text(comparisons_table(clear)).splitlines()

    assert lines[0].split()[:4] == ["higher", "lower", "ΔUA", "95"]
    assert f"{100 * pair['delta_UA']:+.1f}" in lines[1]
    assert f"{100 * pair['ci95'][0]:+.1f} to {100 * pair['ci95'][1]:+.1f}" in lines[1]
    assert lines[1].split()[-2:] == ["<", "0.001"]
    assert "one pair, nothing to adjust" in lines[2]
    assert clear["power"]["note"] in words(comparisons_table(clear))
    assert "over seeds" not in text(comparisons_table(clear))
    assert doubtful["comparisons"][0]["p_holm"] > 0.05
    assert "\x1b[1mcontext-mmt" in text(comparisons_table(clear), color=True)
    assert "\x1b[1mcontext-mmt" not in text(comparisons_table(doubtful), color=True)


def test_several_seeds_have_a_column_of_their_own() -> None:
    compared = found(0, 1, 2, skills=(0.3, 0.9))
    (pair,) = compared["comparisons"]
    shown = text(comparisons_table(compared))

    assert f"{100 * pair['over_seeds']['mean']:+.1f} ± {100 * pair['over_seeds']['std']:.1f}" in shown
    assert "3 seeds each" in words(variants_table(compared))


def test_one_dialogue_leaves_dashes() -> None:
    compared = found(0, skills=(0.3, 0.9))
    compared["comparisons"][0]["ci95"] = None
    compared["variants"]["context-mmt:p0"]["UA"]["ci95"] = None
    assert "\N{EN DASH}" in text(comparisons_table(compared)).splitlines()[1]
    assert text(variants_table(compared)).splitlines()[2].split()[2] == "\N{EN DASH}"


def test_negative_points_have_a_minus_sign() -> None:
    compared = found(0, skills=(0.6, 0.6))
    low = compared["comparisons"][0]["ci95"][0]
    assert low < 0
    assert f"\N{MINUS SIGN}{-100 * low:.1f} to +" in text(comparisons_table(compared))


@pytest.mark.parametrize("p_value", [0.0004, 0.04, 1.0])
def test_p_values_have_three_digits(p_value: float) -> None:
    compared = found(0, skills=(0.3, 0.9))
    compared["comparisons"][0]["p_mcnemar"] = p_value
    last = text(comparisons_table(compared)).splitlines()[1].split()[-1]
    assert last == ("0.001" if p_value < 0.001 else f"{p_value:.3f}")
