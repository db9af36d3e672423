"""Tables of what the models reach, from their recorded results."""

from collections.abc import Callable
from statistics import mean, median

from benchmarks.record import Result


def _emodb(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### Real speech: EmoDB\n",
        f"{figures['corpus']}. Pooled UA in percent. The epoch is chosen by {figures['selection']}. Command: "
        f"`{result['command']}`.",
        "",
        "| variant | mean over seeds | each seed | 95% interval, first seed |",
        "|---|---|---|---|",
    ]
    rows = sorted(figures["pooled_UA_by_seed"].items(), key=lambda row: -mean(row[1].values()))
    for variant, seeds in rows:
        low, high = figures["ci95_of_first_seed"][variant]
        each = ", ".join(f"{100 * share:.1f}" for share in seeds.values())
        lines.append(f"| {variant} | {100 * mean(seeds.values()):.1f} | {each} | {100 * low:.1f} to {100 * high:.1f} |")
    reference = 100 * figures["support_vector_machine_UA"]
    lines.append(f"| SVM on means and deviations of log-mel bands, same folds | {reference:.1f} | | |")
    return "\n".join([*lines, ""])


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
        "epoch is chosen on one training speaker. The difference is paired, with a 95% interval over dialogues. At the "
        "papers' rates random encoders hardly move in so few steps, so no gain is expected there: those rates suit "
        "encoders that were pretrained. Command: `python -m benchmarks.finetuning`.",
        "",
        "| row | rates | development: fine-tuned, frozen | test: fine-tuned, frozen | test difference |",
        "|---|---|---|---|---|",
    ]
    for row, rates in figures["rows"].items():
        for rate, each in rates.items():
            dev, test = each["development_UA"], each["UA"]
            difference = each["fine_tuned_minus_frozen"]
            low, high = (100 * end for end in difference["ci95"]) if difference["ci95"] else (float("nan"),) * 2
            lines.append(
                f"| {row} | {rate.replace('-', ' ')} "
                f"| {100 * dev['as-preset']:.1f}, {100 * dev['frozen']:.1f} "
                f"| {100 * test['as-preset']:.1f}, {100 * test['frozen']:.1f} "
                f"| {100 * difference['delta_UA']:+.1f} ({low:+.1f} to {high:+.1f}) |"
            )
    return "\n".join([*lines, ""])


# Result name -> table, in the order of the page.
QUALITY: dict[str, Callable[[Result], str]] = {
    "emodb": _emodb,
    "modalities": _modalities,
    "tuning": _tuning,
    "emodb_presets": _emodb_presets,
    "finetuning": _finetuning,
}
