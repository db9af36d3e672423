"""Table of the gate's power, from its recorded result."""

from benchmarks.record import Result


def gate_power(result: Result) -> str:
    """Return a table per figure: a row per test set, a column per true gain."""
    rows = result["figures"]["rows"]
    trials = max(row["trials"] for row in rows)
    lines = [
        "### Power of the gate\n",
        "Share of truly better models that the gate's accuracy check finds superior, by size of the test set and true "
        "gain. The last row of each table has about the size of a real test set: all of IEMOCAP with four emotions, "
        f"and the official test part of CMU-MOSEI. The models are made up, {trials:,} pairs per cell: the champion's "
        "UA is about 64%, its MAE 0.6 on a scale from -3 to 3, and the two models tend to be wrong on the same "
        "utterances. "
        f"Command: `{result['command']}`.",
    ]
    for figure, heading in (("UA", "UA higher by {:.0f} points"), ("MAE", "MAE lower by {:g}")):
        cells = [row for row in rows if row["figure"] == figure]
        gains = list(dict.fromkeys(row["gain"] for row in cells))
        headings = [heading.format(100 * gain if figure == "UA" else gain) for gain in gains]
        lines += ["", f"| dialogues | utterances | {' | '.join(headings)} |", "|---|---|" + "---|" * len(gains)]
        for size in dict.fromkeys((row["dialogues"], row["utterances"]) for row in cells):
            rates = [row["rate"] for row in cells if (row["dialogues"], row["utterances"]) == size]
            shown = " | ".join(f"{100 * rate:.0f}%" for rate in rates)
            lines.append(f"| {size[0]} | {size[1]:,} | {shown} |")
    return "\n".join([*lines, ""])
