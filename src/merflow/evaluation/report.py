"""What people read of a benchmark: one HTML page that needs nothing beside it, and a table for the terminal."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from rich.table import Table

from merflow.contracts.files import replacing
from merflow.evaluation.drawings import Axis, fold_strip, interval_bar, learning_curves, training_name
from merflow.evaluation.results import ranked
from merflow.evaluation.side_columns import missing_in_words

# Variant -> fold and seed -> one row an epoch.
Histories = Mapping[str, Mapping[tuple[int, int], Sequence[Mapping[str, Any]]]]

_LOSSES = {"train_loss": "train", "dev_loss": "dev"}
_RECALLS = {"dev_ua": "dev"}
_WORDS = {"truth": "true transcripts", "asr": "recognised words"}
# Holm-adjusted p-values below this are set in bold.
_ALPHA = 0.05
_DASH, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def write_report(
    results: Mapping[str, Any],
    path: Path,
    *,
    title: str,
    histories: Histories,
    identity: Mapping[str, str],
    command: str,
) -> None:
    """One self-contained HTML page: no script, no request, readable offline, on a phone, in the dark and on paper.

    Args:
        results: As :func:`merflow.evaluation.results.summarise` gives them.
        path: Where the page goes.
        title: Of the page.
        histories: Variant -> fold and seed -> rows of epoch, train_loss, dev_loss, dev_ua; a variant may lack them.
        identity: What the numbers stand on: corpus, hashes, encoders, commit; name -> value, in this order.
        command: What reproduces the run.

    Raises:
        OutputError: The page cannot be written.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=_percent, p_value=_p_value, signed=_signed)
    room = files("merflow.evaluation")
    page = environment.from_string((room / "report.html.j2").read_text(encoding="utf-8")).render(
        title=title,
        style=(room / "report.css").read_text(encoding="utf-8"),
        results=results,
        identity=identity,
        command=command,
        alpha=_ALPHA,
        **_view(results, histories),
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


def results_table(results: Mapping[str, Any]) -> Table:
    """The variants by falling pooled UA, for the terminal; percentages."""
    table = Table(
        box=None, pad_edge=False, header_style="bold", caption=_table_caption(results), caption_justify="left"
    )
    table.add_column("variant", no_wrap=True)
    for name in ("UA", "interval", "folds", "WA", "macro F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ranked(results):
        variant = results["variants"][name]
        table.add_row(
            name,
            _percent(variant["UA"]["pooled"]),
            _interval(variant["UA"]["ci95"]),
            _spread(variant["UA"]),
            _percent(variant["WA"]["pooled"]),
            _percent(variant["macro_f1"]),
        )
    return table


def _table_caption(results: Mapping[str, Any]) -> str:
    """What the table's figures are, and the rule that chose each variant's epoch."""
    rules: dict[str, list[str]] = {}
    for name in ranked(results):
        rules.setdefault(results["variants"][name]["selection"], []).append(name)
    chosen = [rule if len(rules) == 1 else f"{rule} ({', '.join(names)})" for rule, names in rules.items()]
    notes = [f"{name} {note}" for name in ranked(results) if (note := _transcript_note(results["variants"][name]))]
    said = ["95 % interval over dialogues", "folds: mean ± deviation", f"epoch chosen by {'; '.join(chosen)}", *notes]
    return "; ".join(["percent", *said])


def _view(results: Mapping[str, Any], histories: Histories) -> dict[str, Any]:
    """What the page shows beside the results themselves: the order of variants, drawings, sentences."""
    variants = results["variants"]
    order = ranked(results)
    pooled_axis = Axis.around([100 * value for name in order for value in _drawn(variants[name])])
    fold_axis = Axis.around([100 * fold["UA"] for name in order for fold in variants[name]["folds"]])
    selections = {variants[name]["selection"] for name in order}
    return {
        "rows": [
            _row(name, variants[name], histories.get(name, {}), pooled_axis=pooled_axis, fold_axis=fold_axis)
            for name in order
        ],
        "pooled_axis": pooled_axis,
        "fold_axis": fold_axis,
        "one_selection": next(iter(selections)) if len(selections) == 1 else None,
        "with_best": [row for row in results["comparisons"] if order[0] in (row["a"], row["b"])],
        "others": [row for row in results["comparisons"] if order[0] not in (row["a"], row["b"])],
        "published": any(variants[name]["published"] for name in order),
        "biased": [name for name in order if variants[name]["none_paper"]],
        "lacking": _missing_table(variants, order),
        "fold_count": len({fold["fold"] for name in order for fold in variants[name]["folds"]}),
    }


def _missing_table(variants: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """What can be missing, the small sets first, and of every variant that was tested so its UA by that."""
    rows = [{"name": name, "variant": variants[name]} for name in order if variants[name]["missing"]]
    sets = {gone for row in rows for gone in row["variant"]["missing"]}
    ordered = sorted(sets, key=lambda gone: (gone.count("+"), "=" in gone, gone))
    return {"sets": {gone: missing_in_words(gone) for gone in ordered}, "rows": rows}


def _drawn(variant: Mapping[str, Any]) -> list[float]:
    """The shares that a variant's interval bar shows."""
    return [variant["chance"]["UA"], variant["UA"]["pooled"], *(variant["UA"]["ci95"] or ())]


def _row(
    name: str,
    variant: Mapping[str, Any],
    histories: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]],
    *,
    pooled_axis: Axis,
    fold_axis: Axis,
) -> dict[str, Any]:
    interval = variant["UA"]["ci95"]
    chosen = {training_name(fold): fold["best_epoch"] for fold in variant["folds"]}
    curves = {training_name({"fold": fold, "seed": seed}): rows for (fold, seed), rows in histories.items()}
    return {
        "name": name,
        "anchor": name.replace(":", "-"),
        "variant": variant,
        "bar": interval_bar(
            100 * variant["UA"]["pooled"],
            None if interval is None else [100 * value for value in interval],
            chance=100 * variant["chance"]["UA"],
            axis=pooled_axis,
        ),
        "interval": _interval(interval),
        "spread": _spread(variant["UA"]),
        "over_seeds": _spread(variant["over_seeds"]["UA"]),
        "strip": fold_strip(variant["folds"], mean=100 * variant["UA"]["mean"], axis=fold_axis),
        "published": _published(variant["published"]),
        "stage_note": _stage_note(variant),
        "transcript_note": _transcript_note(variant),
        "confusion": _shares(variant["confusion"]),
        "losses": learning_curves(curves, figures=_LOSSES, chosen=chosen, label=f"losses of {name} by epoch"),
        "recalls": learning_curves(curves, figures=_RECALLS, chosen=chosen, label=f"development UA of {name}"),
    }


def _stage_note(variant: Mapping[str, Any]) -> str | None:
    """What was left out of a preset's training; None where all of it was done."""
    skipped = [stage for stage in variant["stages_of_preset"] if stage not in variant["stages"]]
    if not skipped:
        return None
    return f"only the {' and '.join(variant['stages'])} stage was run; the preset also asks for {', '.join(skipped)}"


def _transcript_note(variant: Mapping[str, Any]) -> str | None:
    """Whose words were read where the preset asks for another's; None where they are those that it asks for."""
    read, asked = variant["transcripts"], variant["transcripts_of_preset"]
    if read == asked:
        return None
    return f"read {_WORDS.get(read, read)}; the preset asks for {_WORDS.get(asked, asked)}"


def _published(figures: Mapping[str, float]) -> str:
    """The paper's own percentages as UA / WA."""
    if not figures.keys() & {"UA", "WA"}:
        return _DASH
    return " / ".join(f"{figures[name]:g}" if name in figures else _DASH for name in ("UA", "WA"))


def _shares(counts: Sequence[Sequence[int]]) -> list[list[tuple[int, float]]]:
    """Counts with their percentage of the row."""
    return [[(count, 100 * count / max(sum(row), 1)) for count in row] for row in counts]


def _percent(share: float | None) -> str:
    return _DASH if share is None else f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", _MINUS)


def _interval(interval: Sequence[float] | None) -> str:
    return _DASH if interval is None else f"{100 * interval[0]:.1f}{_DASH}{100 * interval[1]:.1f}"


def _spread(figure: Mapping[str, Any]) -> str:
    deviation = "" if figure["std"] is None else f" ± {100 * figure['std']:.1f}"
    return f"{100 * figure['mean']:.1f}{deviation}"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
