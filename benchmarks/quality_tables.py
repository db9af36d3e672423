"""Tables of what the models reach, from their recorded results."""

from collections.abc import Callable, Mapping, Sequence
from math import log
from statistics import median
from typing import Any

from benchmarks.gate_power_table import gate_power
from benchmarks.record import Result
from merflow.contracts.task import EMOTION


def _against_classics(result: Result) -> str:
    lines = [
        "### Against the classics\n",
        "Pooled UA in percent on real acted speech (EmoDB), on the words of real dialogue (MELD) and on the synthetic "
        f"corpus of size `small`, profile `{result['figures']['profile']}`. Of each set of modalities the preset with "
        "the highest mean development UA was tested. The classics choose their settings on the same development data; "
        "those whose name ends in c1 have none to choose and learn from it. A difference is over the same test "
        "utterances, with a 95% interval over dialogues. Command: "
        f"`{result['command']}`.",
        "",
        "| corpus | reads | best preset before: UA | best preset now: UA (each seed) | now minus before | classic: UA "
        "| now minus classic |",
        "|---|---|---|---|---|---|---|",
    ]
    for corpus, figures in result["figures"]["corpora"].items():
        for modalities, each in figures["modalities"].items():
            lines += _rows_against_classics(corpus, modalities, each)
    lines += ["", "| corpus | utterances | seeds | protocol | development data | split |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {corpus} | {figures['utterances']:,} | {', '.join(map(str, figures['seeds']))} | {figures['protocol']} "
        f"| {figures['development']} | {figures['split_id']} |"
        for corpus, figures in result["figures"]["corpora"].items()
    ]
    return "\n".join([*lines, ""])


def _rows_against_classics(corpus: str, modalities: str, each: dict[str, Any]) -> list[str]:
    """Return one row per classic, best classic first; the presets stand in the first row."""
    of_seeds = ", ".join(f"{100 * share:.1f}" for share in each["figures"]["UA_by_seed"].values())
    now = f"{each['best']}: {100 * each['figures']['UA']:.1f} ({of_seeds})"
    before, change = "", ""
    if "before" in each:
        earlier = each["before"]["figures"]
        fewer = len(earlier["UA_by_seed"]) < len(each["figures"]["UA_by_seed"])
        seeds = f" (seed {', '.join(earlier['UA_by_seed'])} alone)" if fewer else ""
        before = f"{each['before']['best']}: {100 * earlier['UA']:.1f}{seeds}"
        change = _signed(each["before"]["now_minus"])
    head = f"| {corpus} | {modalities} | {before} | {now} | {change} |"
    rows = []
    for name, classic in sorted(each["classics"].items(), key=lambda row: -row[1]["UA"]):
        rows.append(f"{head} {name}: {100 * classic['UA']:.1f} | {_signed(classic['best_minus'])} |")
        head = "| | | | | |"
    return rows or [f"{head} | |"]


def _learning_curves(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### Learning curves\n",
        f"Pooled UA in percent by the number of training utterances per fold, profile `{figures['profile']}`. Smaller "
        "training parts have the same share of every emotion and lie within the larger ones. Development and test "
        f"parts are the same at every size. Command: `{result['command']}`.",
        "",
        "![UA against the number of training utterances](results/learning_curves.png)",
    ]
    for title, curve in figures["curves"].items():
        points = curve["points"]
        sizes = " | ".join(f"{point['utterances']:.0f}" for point in points)
        seeds = ", ".join(map(str, curve["seeds"]))
        lines += ["", f"| {title}, seeds {seeds} | {sizes} |", "|---" * (1 + len(points)) + "|"]
        for name in points[0]["systems"]:
            shares = " | ".join(f"{100 * point['systems'][name]['UA']:.1f}" for point in points)
            lines.append(f"| {name} | {shares} |")
    return "\n".join([*lines, ""])


def _signed(difference: dict[str, Any]) -> str:
    low, high = (100 * end for end in difference["ci95"])
    return f"{100 * difference['delta_UA']:+.1f} ({low:+.1f} to {high:+.1f})"


def _modalities(result: Result) -> str:
    figures = result["figures"]
    settings = figures["settings"]
    lines = [
        "### One modality against all\n",
        f"Synthetic `{settings['size']}`, profile `{settings['profile']}`, leave one session out, seeds "
        f"{', '.join(map(str, settings['seeds']))}, at most {settings['max_epochs']} epochs. Pooled UA in percent. The "
        f"epoch is chosen on development data. MFDR has no preset with a single modality. Command: "
        f"`{result['command']}`.",
        "",
        "| full preset | UA | compared with | UA | difference | 95% interval |",
        "|---|---|---|---|---|---|",
    ]
    for each in figures["models"].values():
        full = each["full"]
        for other, row in each["full_minus"].items():
            low, high = (100 * end for end in row["ci95"])
            together, alone = (100 * each["UA"][variant]["pooled"] for variant in (full, other))
            lines.append(
                f"| {full} | {together:.1f} | {other} | {alone:.1f} | {100 * row['delta_UA']:+.1f} "
                f"| {low:+.1f} to {high:+.1f} |"
            )
    return "\n".join([*lines, ""])


def _tuning(result: Result) -> str:
    lines = [
        "### Tuning\n",
        "Synthetic corpus (`lite`, 662 utterances), UA in percent. The development figure is the mean of folds 1 and "
        "2. The best trial was chosen on it, so it is optimistic. The test figure pools all five folds and was looked "
        "at once, after the search. Its difference has a 95% interval over dialogues. Command: "
        "`python -m benchmarks.tuning`.",
        "",
        "| variant | trials (pruned) | max. epochs | development: preset, tuned | test: preset, tuned "
        "| test difference |",
        "|---|---|---|---|---|---|",
    ]
    for variant, each in result["figures"].items():
        dev, test, compared = each["dev_UA"], each["test_UA"], each["comparison"]
        sign = 1 if compared["b"] == variant else -1  # of tuned minus own
        low, high = sorted(sign * bound for bound in compared["ci95"])
        lines.append(
            f"| {variant} | {sum(each['trials'].values())} ({each['trials'].get('pruned', 0)}) | {each['max_epochs']} "
            f"| {100 * dev['own']:.1f}, {100 * dev['tuned']:.1f} "
            f"| {100 * test['own']['pooled']:.1f}, {100 * test['tuned']['pooled']:.1f} "
            f"| {100 * sign * compared['delta_UA']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) |"
        )
    return "\n".join([*lines, ""])


def _emodb_presets(result: Result) -> str:
    figures = result["figures"]
    shares = sorted(100 * share for share in figures["UA"].values())
    return (
        "### Every audio preset on EmoDB\n\n"
        f"{figures['corpus']}. All {len(shares)} presets that read audio but no video train. After at most "
        f"{figures['max_epochs']} epochs their UA lies between {shares[0]:.0f}% and {shares[-1]:.0f}%, with a median "
        f"of {median(shares):.0f}%. The {len(figures['refused'])} presets that read video are refused before "
        f"anything is extracted. Command: `{result['command']}`.\n"
    )


def _mfdr_presets(result: Result) -> str:
    figures = result["figures"]
    settings = figures["settings"]
    epochs = "the recipe's 40 epochs" if settings["max_epochs"] is None else f"at most {settings['max_epochs']} epochs"
    lines = [
        "### MFDR's residual and windows\n",
        f"Synthetic `{settings['size']}`, profile `{settings['profile']}`, leave one session out, {epochs}, width "
        f"{settings['width']}. UA in percent over the test utterances of all folds, and of all seeds in the first "
        "column; differences from `full` with a 95% interval over dialogues. `residual` and `proportional` are ours. "
        f"Command: `{result['command']}`.",
        "",
        f"| preset | UA | seeds {', '.join(map(str, settings['seeds']))} | difference from `full` | 95% interval |",
        "|---|---|---|---|---|",
    ]
    for name, row in figures["presets"].items():
        each = ", ".join(f"{100 * share:.1f}" for share in row["UA_by_seed"].values())
        difference = ""
        if row["minus_full"] is not None:
            low, high = (100 * end for end in row["minus_full"]["ci95"])
            difference = f"{100 * row['minus_full']['delta_UA']:+.1f} | {low:+.1f} to {high:+.1f}"
        lines.append(f"| {name} | {100 * row['UA']:.1f} | {each} | {difference or '|'} |")
    return "\n".join([*lines, ""])


_RATES = {"at-papers-rates": "the paper's", "at-higher-rate": "higher"}


def _finetuning(result: Result) -> str:
    figures = result["figures"]
    settings = figures["settings"]
    utterances = next(iter(next(iter(figures["rows"].values())).values()))["utterances"]
    lines = [
        "### Fine-tuned encoders against frozen ones\n",
        f"Synthetic `{settings['size']}`, profile `tiny` (miniature encoders with random weights), protocol "
        f"{settings['protocol']}, {utterances} test utterances, seed {settings['seed']}, at most "
        f"{settings['max_epochs']} epochs in batches of {settings['batch_size']}. Each row is trained at its paper's "
        f"rates and at a rate of {settings['rate']:g}, with the encoders fine-tuned and frozen. UA in percent; the "
        "epoch is chosen on one training speaker. The difference is paired, with a 95% interval over dialogues. A "
        f"model that has learned nothing has a training loss of ln 4 = {log(4):.2f}. The encoders start from random "
        "weights and see a few hundred utterances, so these figures say nothing about WavLM. Where the loss stays near "
        "ln 4, neither regime has learned anything, and their difference means nothing. Command: "
        f"`{result['command']}`.",
        "",
        "| row | rates | last training loss: fine-tuned, frozen | development: fine-tuned, frozen "
        "| test: fine-tuned, frozen | test difference |",
        "|---|---|---|---|---|---|",
    ]
    for row, rates in figures["rows"].items():
        for rate, each in rates.items():
            dev, test, loss = each["development_UA"], each["UA"], each["last_train_loss"]
            difference = each["fine_tuned_minus_frozen"]
            ends = " to ".join(f"{100 * end:+.1f}" for end in difference["ci95"]) or "no interval: too few dialogues"
            lines.append(
                f"| {row} | {_RATES[rate]} | {loss['as-preset']:.2f}, {loss['frozen']:.2f} "
                f"| {100 * dev['as-preset']:.1f}, {100 * dev['frozen']:.1f} "
                f"| {100 * test['as-preset']:.1f}, {100 * test['frozen']:.1f} "
                f"| {100 * difference['delta_UA']:+.1f} ({ends}) |"
            )
    return "\n".join([*lines, ""])


def _gate_error_rates(result: Result) -> str:
    return _error_rates(
        "### Error rates of the gate\n",
        "Share of made-up pairs of models with a known difference that the gate promotes or refuses, beside what its "
        "policy states; the last column is the Monte-Carlo error. Rows called power have no stated value: they show "
        "what so much test data can find. Where each session suits one of two models that are equal over all speakers, "
        "the policy states nothing: the gate compares the two on the speakers that it has. Differences are of UA, with "
        f"20 utterances per dialogue on average. Command: `{result['command']}`.",
        rows=result["figures"]["rows"],
    )


def _gate_score_error_rates(result: Result) -> str:
    return _error_rates(
        "### Error rates of the gate on scores\n",
        "The same for score models. Differences are of MAE on a scale from -3 to 3, where the champion's is 0.6, with "
        f"20 utterances per dialogue on average. Command: `{result['command']}`.",
        rows=result["figures"]["rows"],
    )


def _error_rates(*head: str, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [*head, "", "| situation | pairs | stated | measured | 95% interval |", "|---|---|---|---|---|"]
    for row in rows:
        low, high = row["ci95"]
        lines.append(
            f"| {row['situation']} | {row['trials']} | {row['stated']} | {row['rate']:.3f} | {low:.3f} to {high:.3f} |"
        )
    return "\n".join([*lines, ""])


def _monitor_false_alarms(result: Result) -> str:
    lines = [
        "### False alarms of monitoring\n",
        "Share of simulated windows in which `merflow monitor` finds a drift. Reference (2,000 clips) and window are "
        "drawn from one population, or the window from a shifted one. With 25 clips per speaker, clips are not "
        f"independent, and no rate is stated. Command: `{result['command']}`.",
        "",
        "| shift | clips | clips per speaker | windows | stated | measured | 95% interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["figures"]["rows"]:
        low, high = row["ci95"]
        task = "" if row.get("task", EMOTION) == EMOTION else f"{row['task']}: "
        lines.append(
            f"| {task}{row['shift']} | {row['clips']} | {row['clips_per_speaker']} | {row['windows']} | "
            f"{row['stated']} | {row['rate']:.3f} | {low:.3f} to {high:.3f} |"
        )
    return "\n".join([*lines, ""])


# Result name -> table, in the order of the page.
QUALITY: dict[str, Callable[[Result], str]] = {
    "against_classics": _against_classics,
    "learning_curves": _learning_curves,
    "modalities": _modalities,
    "mfdr_presets": _mfdr_presets,
    "tuning": _tuning,
    "emodb_presets": _emodb_presets,
    "finetuning": _finetuning,
    "gate_error_rates": _gate_error_rates,
    "gate_score_error_rates": _gate_score_error_rates,
    "gate_power": gate_power,
    "monitor_false_alarms": _monitor_false_alarms,
}
