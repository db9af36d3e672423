"""Writes the README's tables from ``results/``; the text around them is written by people."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.record import RESULTS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->\n"


def tables() -> str:
    """All tables as Markdown, from the results that are there."""
    return "\n".join(
        part for part in (_emodb(_read("emodb")), _indexing(_read("indexing")), _store(_read("store"))) if part
    )


def rendered() -> str:
    """The README with its tables renewed."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + tables() + END + rest.partition(END)[2]


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _emodb(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
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


def _indexing(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    lines = [
        f"Indexing synthetic releases on {result['machine']['cores']} cores; `{result['command']}`.",
        "",
        "| release | turns | seconds a thousand turns | of the time to open every header | memory |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {size} | {each['turns']:,} | {each['read_s_per_1000_turns']:.2f} "
        f"| {each['ratio_to_plain_header_walk']:.2f} | +{each['grown_mib']:.0f} MiB |"
        for size, each in sorted(result["figures"].items(), key=lambda row: row[1]["turns"])
    ]
    return "\n".join([*lines, "", ""])


def _store(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    lines = [
        f"Random batches from the page cache, one thread; `{result['command']}`. The store against:",
        "",
        "| entries | npy a file | one pickle | flat mapped array | copy from memory | resident memory |",
        "|---|---|---|---|---|---|",
    ]
    for name, ways in sorted(result["figures"].items(), reverse=True):
        ratios = [f"{ways[way]['store_is_times']:.2f} x" for way in ("npy", "pickle", "flat array", "memory copy")]
        memory = f"{ways['store']['resident_mib']:.0f} MiB, pickle {ways['pickle']['resident_mib']:.0f} MiB"
        lines.append(f"| {name} | {' | '.join(ratios)} | {memory} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Renews the README in place."""
    README.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
