"""How fast: the README's tables of what the parts take in time and memory, from their recorded results."""

from collections.abc import Callable

from benchmarks.record import ON_GPU, Result, read_result


def _indexing(result: Result) -> str:
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
    return "\n".join([*lines, ""])


def _store(result: Result) -> str:
    peers = ("npy", "pickle", "hdf5", "flat array", "memory copy")
    lines = [
        f"Random batches from the page cache, one thread; `{result['command']}`. The store's speed against that of:",
        "",
        "| entries | npy a file | one pickle | HDF5 | flat mapped array | copy from memory | resident memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, ways in sorted(result["figures"].items(), reverse=True):
        ratios = [f"{ways[way]['store_is_times']:.2f} x" for way in peers]
        memory = f"{ways['store']['resident_mib']:.0f} MiB, pickle {ways['pickle']['resident_mib']:.0f} MiB"
        lines.append(f"| {name} | {' | '.join(ratios)} | {memory} |")
    return "\n".join([*lines, ""])


def _store_on_disk(result: Result) -> str:
    lines = [
        f"Random batches of entries that are on disk alone; `{result['command']}`.",
        "",
        "| entries | store | npy a file | HDF5 | flat mapped array |",
        "|---|---|---|---|---|",
    ]
    for name, ways in sorted(result["figures"]["cold"].items(), reverse=True):
        speeds = [f"{ways[way]['mib_a_second']:.0f} MiB/s" for way in ("store", "npy", "hdf5", "flat array")]
        lines.append(f"| {name} | {' | '.join(speeds)} |")
    large = result["figures"]["larger_than_memory"]
    measured, far = large["limited"] or large["unlimited"], large["extrapolated"]
    held = f"a process limited to {large['limit_gib']:.0f} GiB" if large["limited"] else "a process"
    lines += [
        "",
        f"All 25 layers of a WavLM-large, {large['store_gib']:.0f} GiB of them, as shuffled float32 batches in {held}, "
        f"cache included: {measured['mib_a_second']:.0f} MiB/s, {measured['own_mib']:.0f} MiB of memory of its own and "
        f"at most {measured['mapped_mib']:.0f} MiB of files mapped, which the system takes back when it needs them. "
        f"Extrapolated to {far['corpus_gib']:.0f} GiB, an epoch reads {far['epoch_minutes']:.1f} minutes.",
    ]
    return "\n".join([*lines, ""])


def _video(result: Result) -> str:
    figures = result["figures"]
    lines = [
        f"A film of {figures['film_s'] / 60:.0f} minutes, 720x480 MPEG-4, {figures['turns']} turns; "
        f"`{result['command']}`. One pass takes {figures['peak_mib']['long']:.0f} MiB beyond the libraries, and "
        f"{figures['peak_mib']['short']:.0f} MiB for a quarter of the film.",
        "",
        "| way | frames a second | time, one pass = 1 |",
        "|---|---|---|",
    ]
    lines += [
        f"| {way} | {row['frames_a_second']:,.0f} | {row['time_of_one_pass']:.2f} |"
        for way, row in figures["ways"].items()
    ]
    return "\n".join([*lines, ""])


def _extraction(result: Result) -> str:
    figures = result["figures"]
    seconds = figures["seconds"]
    padding = ", ".join(f"{name} {100 * share:.2f} %" for name, share in figures["padding_over_iemocap"].items())
    lines = [
        f"Extraction from files to a complete store: {figures['model']}, {figures['utterances']:,} utterances as long "
        f"as IEMOCAP's ({figures['audio_s'] / 60:.0f} min) on {_place(result)}, {figures['threads']} encoder "
        f"thread(s); `{result['command']}`. Padding over the real corpus' lengths: {padding}.",
        "",
        "| engine | plain loop, one by one | encoder alone, ready batches | of the ceiling | times the loop |",
        "|---|---|---|---|---|",
        f"| {seconds['engine']:.1f} s | {seconds['plain loop']:.1f} s | {seconds['encoder alone']:.1f} s "
        f"| {figures['engine_of_ceiling']:.2f} | {figures['engine_to_loop']:.2f} |",
    ]
    return "\n".join([*lines, ""])


def _extraction_growth(result: Result) -> str:
    lines = [
        f"Extraction around an encoder that does next to nothing, speech and text, on {_place(result)}; "
        f"`{result['command']}`.",
        "",
        "| utterances | ms an utterance | memory | largest reader |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {each['ms_an_utterance']:.1f} | +{each['grown_mib']:.0f} MiB | {each['reader_mib']:.0f} MiB |"
        for name, each in sorted(result["figures"].items(), key=lambda row: row[1]["utterances"])
    ]
    return "\n".join([*lines, ""])


def _trainer(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "What training costs beside forward, backward and the optimiser's step, at real sizes on random features of "
        f"IEMOCAP's lengths; {figures['where']}; `{result['command']}`. Batches are made while the step before "
        "computes: what passes for it stands beside its processor time. The last column is what merely writing a "
        "batch's bytes costs.",
        "",
        "| model | step | batch | loop | loop and resident data | the same in processor time | checkpoints "
        "| a batch of zeros |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {variant} | {row['step_ms']:,.0f} ms | {row['batch_mib']:,.0f} MiB | {_share(row['loop_overhead'])} "
        f"| {_share(row['loop_and_data_overhead'])} | {_share(row['loop_and_data_work'])} "
        f"| {_share(row['checkpoint'])} | {_share(row['writing_alone'])} |"
        for variant, row in figures["models"].items()
    ]
    busy = [f"{variant} {_share(row['gpu_busy'])}" for variant, row in figures["models"].items() if "gpu_busy" in row]
    lines += ["", f"Share of the time in which the GPU computes: {', '.join(busy)}."] if busy else []
    return "\n".join([*lines, ""])


def _foal_net(result: Result) -> str:
    figures = result["figures"]
    return (
        f"Foal-Net's training step of {figures['batch']} utterances, 299 x 1024 speech and 180 x 768 video, against "
        f"three passes of the fusion with torch's attention and a loop over negatives: {figures['ours_s']:.2f} s to "
        f"{figures['straightforward_s']:.2f} s, {figures['times_faster']:.2f} times as fast; {figures['where']}; "
        f"`{result['command']}`.\n"
    )


def _mfdr(result: Result) -> str:
    figures = result["figures"]
    peaks = ", ".join(
        f"{row['sawa_mib']:.0f} to {row['table_mib']:.0f} MiB at {int(frames):,}"
        for frames, row in figures["memory"].items()
    )
    lines = [
        f"MFDR's parts, forward and backward, batch {figures['batch']}; `{result['command']}`. SAWA over 255 frames:",
        "",
        "| SAWA | time | against Algorithm 1's loop | of plain attention's time | reading and writing alone |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name}, {place} | {row[f'{way}_ms']:.1f} ms | {row[f'{way}_times_the_loop']:.1f} x "
        f"| {row[f'{way}_of_plain_attention']:.2f} | {row['touching_ms']:.1f} ms |"
        for place, row in figures["sawa"].items()
        for way, name in (("sawa", "as it is"), ("compiled", "compiled"))
        if f"{way}_ms" in row
    ]
    lines += [
        "",
        f"Its memory to that of a table of all words and frames, by frames: {peaks}. GCPU over 50 words, "
        f"{figures['where']}:",
        "",
        "| case | GCPU | Eq. 1-6 step by step | its products alone | `nn.GRU` |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {case} | {row['gcpu_ms']:.1f} ms | {row['eager_is_times']:.2f} x | {row['products_is_times']:.2f} x "
        f"| {row['gru_is_times']:.2f} x |"
        for case, row in sorted(figures["gcpu"].items(), key=lambda row: -row[1]["gcpu_ms"])
    ]
    return "\n".join([*lines, ""])


def _real_size(result: Result) -> str:
    figures = result["figures"]
    lines = [
        f"Five folds at IEMOCAP's size, papers' batches and most epochs, random features: {figures['hours']:.1f} hours "
        f"one after another ({figures['where']}, extrapolated from single steps); `{result['command']}`."
        + (" No GPU was measured." if read_result(f"real_size{ON_GPU}") is None else "")
        + f" Counted: {figures['pflop']:.0f} PFLOP of matrix products and attention; {figures['aim_minutes']} minutes "
        f"on one GPU, which are aimed at, are {figures['needed_tflop_s']:.0f} TFLOP/s, all in all.",
        "",
        "| preset | epochs at most | training, s an epoch | evaluation, s an epoch | hours a fold | PFLOP |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {variant} | {row['epochs']:.0f} | {row['training_s_an_epoch']:,.1f} | {row['evaluation_s_an_epoch']:,.1f} "
        f"| {row['minutes_a_fold'] / 60:.2f} | {row['pflop']:.1f} |"
        for variant, row in figures["models"].items()
    ]
    return "\n".join([*lines, ""])


def _share(value: float) -> str:
    return f"{100 * value + 0.0:.1f} %"


def _place(result: Result) -> str:
    """Where something was measured."""
    machine = result["machine"]
    on_gpu = machine["accelerator"] is not None and result["figures"].get("device") == "cuda"
    return str(machine["accelerator"]) if on_gpu else f"{machine['cores']} cores"


# Name of a result -> its table, in the order of the page.
SPEED: dict[str, Callable[[Result], str]] = {
    "indexing": _indexing,
    "store": _store,
    "store_on_disk": _store_on_disk,
    "video": _video,
    "extraction": _extraction,
    "extraction_growth": _extraction_growth,
    "trainer": _trainer,
    "foal_net": _foal_net,
    "mfdr": _mfdr,
    "real_size": _real_size,
}
