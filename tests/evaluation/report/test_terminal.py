import io

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from merflow.contracts.regime import Regime
from merflow.contracts.results import ComparedRuns, Results
from merflow.contracts.selection import Selection
from merflow.evaluation.comparisons import ComparedOrigin, compare_variants
from merflow.evaluation.report.notes import power_note
from merflow.evaluation.report.terminal import comparisons_table, results_table, variants_table
from tests.evaluation.drawn_benchmark import PARAMS, corpus, held_out, table
from tests.evaluation.finished import NAMES, SELECTION, TRAINING, changed, results_of_three


def found(*seeds: int, skills: tuple[float, ...]) -> ComparedRuns:
    predictions = [
        table(corpus(), f"p{place}", skill=skill, draw=place, seed=seed)
        for place, skill in enumerate(skills)
        for seed in seeds
    ]
    origins = {
        f"context-mmt:p{place}": ComparedOrigin("runs/x", SELECTION, TRAINING.regime, {})
        for place in range(len(skills))
    }
    return compare_variants(pd.concat(predictions), held_out(corpus()), runs=["runs/x"], origins=origins, params=PARAMS)


def text(shown: Table, *, color: bool = False) -> str:
    console = Console(file=io.StringIO(), width=250, force_terminal=color)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(shown: Table) -> str:
    """Return the text in one line, since captions wrap at the table's width."""
    return " ".join(text(shown).split())


def test_variants_stand_by_falling_ua() -> None:
    compared = found(0, skills=(0.3, 0.9))
    lines = text(variants_table(compared)).splitlines()

    best, second = (compared.variants[f"context-mmt:{name}"].ua for name in ("p1", "p0"))
    assert best.ci95 is not None
    assert lines[1].split()[:2] == ["context-mmt:p1", f"{100 * best.pooled:.1f}"]
    assert lines[2].split()[:2] == ["context-mmt:p0", f"{100 * second.pooled:.1f}"]
    assert f"{100 * best.ci95[0]:.1f}\N{EN DASH}{100 * best.ci95[1]:.1f}" in lines[1]
    assert (
        "Tested on 200 test utterances in 20 dialogues. Epochs chosen by: lowest loss of one training speaker."
        in words(variants_table(compared))
    )


def test_a_pair_has_points_and_p_values_and_is_bold_where_it_is_clear() -> None:
    clear, doubtful = found(0, skills=(0.3, 0.9)), found(0, skills=(0.6, 0.6))
    (pair,) = clear.comparisons
    assert pair.ci95 is not None
    lines = text(comparisons_table(clear)).splitlines()

    assert lines[0].split()[:4] == ["higher", "lower", "ΔUA", "95%"]
    assert f"{100 * pair.delta_ua:+.1f}" in lines[1]
    assert f"{100 * pair.ci95[0]:+.1f} to {100 * pair.ci95[1]:+.1f}" in lines[1]
    assert lines[1].split()[-2:] == ["<", "0.001"]
    assert "With one pair, Holm has nothing to adjust." in words(comparisons_table(clear))
    assert power_note(clear.power) in words(comparisons_table(clear))
    assert "over seeds" not in text(comparisons_table(clear))
    assert doubtful.comparisons[0].p_holm > 0.05
    assert "\x1b[1mcontext-mmt" in text(comparisons_table(clear), color=True)
    assert "\x1b[1mcontext-mmt" not in text(comparisons_table(doubtful), color=True)


def test_several_seeds_have_a_column_of_their_own() -> None:
    compared = found(0, 1, 2, skills=(0.3, 0.9))
    (pair,) = compared.comparisons
    assert pair.over_seeds is not None
    shown = text(comparisons_table(compared))

    assert f"{100 * pair.over_seeds.mean:+.1f} ± {100 * pair.over_seeds.std:.1f}" in shown
    assert "3 seeds each" in words(variants_table(compared))


def test_one_dialogue_leaves_dashes() -> None:
    compared = found(0, skills=(0.3, 0.9))
    (pair,) = compared.comparisons
    worse = compared.variants["context-mmt:p0"]
    bare = worse.model_copy(update={"ua": worse.ua.model_copy(update={"ci95": None})})
    compared = compared.model_copy(
        update={
            "comparisons": (pair.model_copy(update={"ci95": None}),),
            "variants": {**compared.variants, "context-mmt:p0": bare},
        }
    )
    assert "\N{EN DASH}" in text(comparisons_table(compared)).splitlines()[1]
    assert text(variants_table(compared)).splitlines()[2].split()[2] == "\N{EN DASH}"


def test_negative_points_have_a_minus_sign() -> None:
    compared = found(0, skills=(0.6, 0.6))
    ends = compared.comparisons[0].ci95
    assert ends is not None
    low = ends[0]
    assert low < 0
    assert f"\N{MINUS SIGN}{-100 * low:.1f} to +" in text(comparisons_table(compared))


@pytest.mark.parametrize("p_value", [0.0004, 0.04, 1.0])
def test_p_values_have_three_digits(p_value: float) -> None:
    compared = found(0, skills=(0.3, 0.9))
    (pair,) = compared.comparisons
    compared = compared.model_copy(update={"comparisons": (pair.model_copy(update={"p_mcnemar": p_value}),)})
    last = text(comparisons_table(compared)).splitlines()[1].split()[-1]
    assert last == ("0.001" if p_value < 0.001 else f"{p_value:.3f}")


def terminal(results: Results) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(results_table(results))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_eighty_columns_show_the_best_first_and_every_name_and_figure_in_full() -> None:
    variants = results_of_three().variants.values()
    named = {f"context-mmt:wavlm-fc-finetuned-{name}": entry for name, entry in zip("abc", variants, strict=True)}
    header, *rows = terminal(results_of_three().model_copy(update={"variants": named}))[:4]

    assert header.split() == ["variant", "UA", "interval", "folds", "WA", "macro", "F1"]
    assert [row.split() for row in rows] == [
        [
            f"context-mmt:wavlm-fc-finetuned-{name}",
            *(figure, f"{ua - 5}.0\N{EN DASH}{ua + 5}.0", figure, "±", "2.0", figure, figure),
        ]
        for name, ua in (("a", 70), ("b", 60), ("c", 50))
        for figure in [f"{ua}.0"]
    ]


def test_words_that_the_preset_did_not_ask_for_are_reported() -> None:
    training = TRAINING.model_copy(update={"transcripts_of_preset": "asr"})
    caption = " ".join(terminal(changed(results_of_three(), NAMES[1], training=training))[4:])
    assert f"{NAMES[1]}: trained on reference transcripts; the preset asks for ASR transcripts." in caption


def test_encoders_that_stayed_frozen_are_reported_once_for_all_variants() -> None:
    training = TRAINING.model_copy(update={"regime": Regime(asked=("full",), ran=("frozen",))})
    results = changed(changed(results_of_three(), NAMES[1], training=training), NAMES[2], training=training)
    caption = " ".join(terminal(results)[4:])
    assert f"{NAMES[1]}, {NAMES[2]}: encoders frozen; the paper fine-tunes them." in caption


def test_the_terminal_says_how_the_epochs_were_chosen() -> None:
    caption = " ".join(terminal(results_of_three())[4:])
    assert "Epochs chosen by: lowest loss of one training speaker." in caption
    training = TRAINING.model_copy(update={"selection": Selection(figure="ua", data="session")})
    caption = " ".join(terminal(changed(results_of_three(), NAMES[1], training=training))[4:])
    first, second = "lowest loss of one training speaker", "highest UA of one training session"
    assert caption.endswith(f"Epochs chosen by: {first} ({NAMES[0]}, {NAMES[2]}); {second} ({NAMES[1]}).")
