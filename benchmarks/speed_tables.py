"""Tables of the time and memory that each part takes, from their recorded results."""

from collections.abc import Callable

from benchmarks.mosei_table import mosei
from benchmarks.record import ON_GPU, Result, read_result


def _indexing(result: Result) -> str:
    lines = [
        "### Indexing\n",
        f"Synthetic releases on {result['machine']['cores']} cores. Command: `{result['command']}`.",
        "",
        "| release | turns | seconds per 1,000 turns | times a plain walk over all headers | memory |",
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
        "### Feature store, cached\n",
        f"Random batches from the page cache, one thread. Each ratio says how many times as fast the store is. "
        f"Command: `{result['command']}`.",
        "",
        "| entries | one npy file each | one pickle | HDF5 | flat mmap array | copy in memory | resident memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, ways in sorted(result["figures"].items(), reverse=True):
        ratios = [f"{ways[way]['store_is_times']:.2f}x" for way in peers]
        memory = f"{ways['store']['resident_mib']:.0f} MiB, pickle {ways['pickle']['resident_mib']:.0f} MiB"
        lines.append(f"| {name} | {' | '.join(ratios)} | {memory} |")
    return "\n".join([*lines, ""])


def _store_on_disk(result: Result) -> str:
    lines = [
        "### Feature store, from disk\n",
        f"Random batches with a cold page cache. Command: `{result['command']}`.",
        "",
        "| entries | store | one npy file each | HDF5 | flat mmap array |",
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
        f"All 25 layers of a WavLM-large ({large['store_gib']:.0f} GiB) as shuffled float32 batches, in {held} "
        f"including its page cache: {measured['mib_a_second']:.0f} MiB/s with {measured['own_mib']:.0f} MiB of private "
        f"memory and at most {measured['mapped_mib']:.0f} MiB of mapped files, which the system can reclaim. "
        f"Extrapolated to {far['corpus_gib']:.0f} GiB, reading takes {far['epoch_minutes']:.1f} minutes per epoch.",
    ]
    return "\n".join([*lines, ""])


def _video(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### Video decoding\n",
        f"A film of {figures['film_s'] / 60:.0f} minutes, 720x480 MPEG-4, {figures['turns']} turns. One pass needs "
        f"{figures['peak_mib']['long']:.0f} MiB beyond the libraries, and {figures['peak_mib']['short']:.0f} MiB for a "
        f"quarter of the film. Command: `{result['command']}`.",
        "",
        "| method | frames per second | time relative to one pass |",
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
    padding = ", ".join(f"{name} {100 * share:.2f}%" for name, share in figures["padding_over_iemocap"].items())
    lines = [
        "### Extraction\n",
        f"From files to a complete store: {figures['model']}, {figures['utterances']:,} utterances with IEMOCAP's "
        f"lengths ({figures['audio_s'] / 60:.0f} min) on {_hardware(result)}, {figures['threads']} encoder thread(s). "
        f"Padding over the lengths of the real corpus: {padding}. Command: `{result['command']}`.",
        "",
        "| merflow | plain loop, one by one | encoder alone, prepared batches | share of that ceiling "
        "| times the plain loop |",
        "|---|---|---|---|---|",
        f"| {seconds['engine']:.1f} s | {seconds['plain loop']:.1f} s | {seconds['encoder alone']:.1f} s "
        f"| {figures['engine_of_ceiling']:.2f} | {figures['engine_to_loop']:.2f} |",
    ]
    return "\n".join([*lines, ""])


def _extraction_growth(result: Result) -> str:
    lines = [
        "### Extraction as the corpus grows\n",
        f"Speech and text with an encoder that does almost nothing, on {_hardware(result)}. Command: "
        f"`{result['command']}`.",
        "",
        "| utterances | ms per utterance | memory | largest reader |",
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
        "### Training loop\n",
        "Cost beyond forward pass, backward pass and optimizer step, at real sizes on random features with IEMOCAP's "
        "lengths. The next batch is made while the current step computes, so wall time and processor time differ. The "
        f"last column is the cost of merely writing a batch's bytes. {figures['where']}. Command: "
        f"`{result['command']}`.",
        "",
        "| model | step | batch | loop | loop and data, wall time | loop and data, CPU time | checkpoints "
        "| writing zeros |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {variant} | {row['step_ms']:,.0f} ms | {row['batch_mib']:,.0f} MiB | {_share(row['loop_overhead'])} "
        f"| {_share(row['loop_and_data_overhead'])} | {_share(row['loop_and_data_work'])} "
        f"| {_share(row['checkpoint'])} | {_share(row['writing_alone'])} |"
        for variant, row in figures["models"].items()
    ]
    busy = [f"{variant} {_share(row['gpu_busy'])}" for variant, row in figures["models"].items() if "gpu_busy" in row]
    lines += ["", f"Share of time with the GPU busy: {', '.join(busy)}."] if busy else []
    return "\n".join([*lines, ""])


def _foal_net(result: Result) -> str:
    figures = result["figures"]
    return (
        "### Foal-Net\n\n"
        f"A training step of {figures['batch']} utterances (299x1024 speech, 180x768 video) takes "
        f"{figures['ours_s']:.2f} s. A straightforward version, with three passes through the fusion, torch's "
        f"attention and a loop over negatives, takes {figures['straightforward_s']:.2f} s: "
        f"{figures['times_faster']:.2f} times as long. {figures['where']}. Command: `{result['command']}`.\n"
    )


def _mfdr(result: Result) -> str:
    figures = result["figures"]
    peaks = ", ".join(
        f"{row['sawa_mib']:.0f} against {row['table_mib']:.0f} MiB at {int(frames):,} frames"
        for frames, row in figures["memory"].items()
    )
    lines = [
        "### MFDR\n",
        f"Its parts, forward and backward, with {figures['batch']} utterances per batch. Command: "
        f"`{result['command']}`. SAWA over 255 frames:",
        "",
        "| SAWA | time | speed, Algorithm 1 as a loop = 1 | time, plain attention = 1 | reading and writing alone |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name}, {place} | {row[f'{way}_ms']:.1f} ms | {row[f'{way}_times_the_loop']:.1f} x "
        f"| {row[f'{way}_of_plain_attention']:.2f} | {row['touching_ms']:.1f} ms |"
        for place, row in figures["sawa"].items()
        for way, name in (("sawa", "eager"), ("compiled", "compiled"))
        if f"{way}_ms" in row
    ]
    lines += [
        "",
        f"Memory of SAWA against that of a table of all words and frames: {peaks}. GCPU over 50 words on "
        f"{figures['where']}, with the times of others as multiples of its own:",
        "",
        "| case | GCPU | Eq. 1-6 word by word | its matrix products alone | `nn.GRU` |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {case} | {row['gcpu_ms']:.1f} ms | {row['eager_is_times']:.2f} x | {row['products_is_times']:.2f} x "
        f"| {row['gru_is_times']:.2f} x |"
        for case, row in sorted(figures["gcpu"].items(), key=lambda row: -row[1]["gcpu_ms"])
    ]
    lines += [
        f"\n{case}: {row['kept_ms']:.2f} ms with kept kernels, {row['anew_ms']:.2f} ms with new ones."
        for case, row in figures.get("dfc", {}).items()
    ]
    return "\n".join([*lines, ""])


def _real_size(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### A full benchmark at IEMOCAP's size\n",
        f"Five folds with the papers' batch sizes and maximum epochs on random features: {figures['hours']:.1f} hours "
        f"one after another ({figures['where']}, extrapolated from single steps)."
        + (" No GPU was measured." if read_result(f"real_size{ON_GPU}") is None else "")
        + f" That is {figures['pflop']:.0f} PFLOP of matrix products and attention. The aim of "
        f"{figures['aim_minutes']} minutes on one GPU needs {figures['needed_tflop_s']:.0f} TFLOP/s on average. "
        f"Command: `{result['command']}`.",
        "",
        "| preset | max. epochs | training, s per epoch | evaluation, s per epoch | hours per fold | PFLOP |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {variant} | {row['epochs']:.0f} | {row['training_s_an_epoch']:,.1f} | {row['evaluation_s_an_epoch']:,.1f} "
        f"| {row['minutes_a_fold'] / 60:.2f} | {row['pflop']:.1f} |"
        for variant, row in figures["models"].items()
    ]
    return "\n".join([*lines, ""])


def _s3_transfer(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### Folders to and from S3\n",
        f"Seconds up and down, in the median of {figures['rounds']} rounds, with the server: {figures['server']}. "
        f"merflow checks every file by its SHA-256. Versions: {', '.join(figures['versions'].values())}. "
        f"Command: `{result['command']}`.",
        "",
        "| folder | program | up | times merflow's | down | times merflow's |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {folder['files']} {name} | {way} | {row['up_s']:.1f} s | {row['up_merflow_is_times']:.2f} "
        f"| {row['down_s']:.1f} s | {row['down_merflow_is_times']:.2f} |"
        for name, folder in figures["folders"].items()
        for way, row in folder["programs"].items()
    ]
    return "\n".join([*lines, ""])


def _s3_first_batch(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### The first batch of a fold from a cold workspace in S3\n",
        f"Seconds from an empty scratch folder to the first training batch, against a folder whose files are not in "
        f"memory; synthetic corpus, lite features, {figures['bytes'] / 2**20:.0f} MiB; median of {figures['rounds']} "
        f"rounds, server: {figures['server']}. Command: `{result['command']}`.",
        "",
        "| folder | S3 | ratio |",
        "|---|---|---|",
        f"| {figures['folder_s']:.2f} s | {figures['s3_s']:.2f} s | {figures['s3_is_times']:.1f} |",
    ]
    return "\n".join([*lines, ""])


def _share(value: float) -> str:
    return f"{100 * value + 0.0:.1f}%"


def _hardware(result: Result) -> str:
    """Return the GPU's name, or the number of cores."""
    machine = result["machine"]
    on_gpu = machine["accelerator"] is not None and result["figures"].get("device") == "cuda"
    return str(machine["accelerator"]) if on_gpu else f"{machine['cores']} cores"


# Result name -> table, in the order of the page.
SPEED: dict[str, Callable[[Result], str]] = {
    "indexing": _indexing,
    "store": _store,
    "store_on_disk": _store_on_disk,
    "mosei": mosei,
    "s3_transfer": _s3_transfer,
    "s3_first_batch": _s3_first_batch,
    "video": _video,
    "extraction": _extraction,
    "extraction_growth": _extraction_growth,
    "trainer": _trainer,
    "foal_net": _foal_net,
    "mfdr": _mfdr,
    "real_size": _real_size,
}
