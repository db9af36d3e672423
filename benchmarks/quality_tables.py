"""How well: the README's tables of what models reach, from their recorded results."""

from collections.abc import Callable
from statistics import mean, median

from benchmarks.record import Result


def _emodb(result: Result) -> str:
    figures = result["figures"]
    lines = [
        f"Real speech: {figures['corpus']}. Pooled UA in percent; epoch chosen by {figures['selection']}; "
        f"`{result['command']}`.",
        "",
        "| variant | mean of seeds | seeds | 95 % interval of the first |",
        "|---|---|---|---|",
    ]
    rows = sorted(figures["pooled_UA_by_seed"].items(), key=lambda row: -mean(row[1].values()))
    for variant, seeds in rows:
        low, high = figures["ci95_of_first_seed"][variant]
        each = ", ".join(f"{100 * share:.1f}" for share in seeds.values())
        lines.append(f"| {variant} | {100 * mean(seeds.values()):.1f} | {each} | {100 * low:.1f} to {100 * high:.1f} |")
    reference = 100 * figures["support_vector_machine_UA"]
    lines.append(f"| support vector machine on log-mel means and deviations, same folds | {reference:.1f} | | |")
    return "\n".join([*lines, ""])


def _modalities(result: Result) -> str:
    figures = result["figures"]
    settings = figures["settings"]
    lines = [
        f"Modalities together and alone, synthetic `{settings['size']}`, profile `{settings['profile']}`, leave one "
        f"session out, seeds {', '.join(map(str, settings['seeds']))}, at most {settings['max_epochs']} epochs. Pooled "
        f"UA in percent; epoch chosen on development data; `{result['command']}`. MFDR has no preset of one modality.",
        "",
        "| full preset | UA | against | UA | difference | 95 % interval |",
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
        "Tuning on the generated release (`lite`, 662 utterances), UA in percent. Development: mean of folds 1 and 2, "
        "on which the best trial was chosen, so that it flatters; own values and tuned ones in the same study. Test: "
        "all five folds pooled, looked at once, afterwards; its difference with a 95 % interval over dialogues. "
        "`python -m benchmarks.tuning`.",
        "",
        "| variant | trials (pruned) | epochs at most | development: own, tuned | test: own, tuned | test difference |",
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
        f"{figures['corpus']}: all {len(shares)} presets that read audio and no video train there; after at most "
        f"{figures['max_epochs']} epochs their UA lies between {shares[0]:.0f} and {shares[-1]:.0f} %, half of them "
        f"above {median(shares):.0f} %. The {len(figures['refused'])} that read video are refused before anything is "
        f"extracted; `{result['command']}`.\n"
    )


# Name of a result -> its table, in the order of the page.
QUALITY: dict[str, Callable[[Result], str]] = {
    "emodb": _emodb,
    "modalities": _modalities,
    "tuning": _tuning,
    "emodb_presets": _emodb_presets,
}
