"""The table of the time and memory that loading CMU-MOSEI's pickle takes."""

from benchmarks.record import Result


def mosei(result: Result) -> str:
    """Return the section of the page."""
    figures = result["figures"]
    ways, times = figures["ways"], figures["plain_is_times"]
    lines = [
        "### CMU-MOSEI's pickle\n",
        f"A generated {figures['form']} file of {figures['utterances']:,} utterances in the real shapes, text "
        f"{figures['text_width']} wide: {figures['file_gib']:.1f} GiB, of which the store takes "
        f"{figures['store_gib']:.1f} GiB. An epoch is the {figures['train']:,} training utterances as shuffled float32 "
        "batches. The plain way unpickles the file and reads it with a torch DataLoader. Each process starts with a "
        "cold page cache. Times are elapsed and, in parentheses, of the processor, on a machine with other work. "
        f"Command: `{result['command']}`.",
        "",
        "| step | seconds | private memory |",
        "|---|---|---|",
    ]
    rows = {
        "merflow: index the file": ("index", "whole"),
        "merflow: extract, once": ("extraction", "whole"),
        "merflow: open the store, first batch": ("store", "first_batch"),
        "merflow: epoch": ("store", "epoch"),
        "plain: unpickle, first batch": ("plain", "first_batch"),
        "plain: epoch": ("plain", "epoch"),
    }
    lines += [
        f"| {name} | {ways[way][f'{lap}_s']:.1f} ({ways[way][f'{lap}_cpu_s']:.1f}) | {ways[way]['own_gib']:.2f} GiB |"
        for name, (way, lap) in rows.items()
    ]
    lines += [
        "",
        f"The plain way takes {times['first_batch_s']:.1f} times as long until its first batch, {times['epoch_s']:.1f} "
        f"times as long per epoch ({times['epoch_cpu_s']:.1f} times the processor time), and {times['own_gib']:.1f} "
        f"times the private memory. The one extraction takes {figures['extraction_is_plain_times']['s']:.1f} times as "
        "long as unpickling once.",
    ]
    return "\n".join([*lines, ""])
