"""How fast are MFDR's parts, forward and backward, at the paper's size (batch 32, 255 frames, 50 words, width 256)?

SAWA, as it is and compiled, against Algorithm 1 word by word and against plain attention over all frames, from queries,
keys and values on, beside what merely reading these and writing as much takes; its memory at growing lengths against a
table of all words and frames. GCPU against Eq. 1-6 step by step; against its matrix products alone, which no order of
computing it does without; and against PyTorch's GRU, which has half of them. Ways alternate, and each one's median
counts. A CPU computes with one thread, SAWA also with one a core. On a GPU, GCPU is also replayed as a CUDA graph.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.record import write_result
from benchmarks.stopwatch import Work, fastest_device, medians, where
from merflow.models.mfdr import GCPU, MFDRConfig, SlidingWindowAttention

CONFIG = MFDRConfig()
BATCH, ROUNDS = 32, 15
LENGTHS, LONG_BATCH = (1024, 2048, 4096), 16
WAYS = ("sawa", "table")


class Way(NamedTuple):
    """A function of the inputs, and the parameters that learn beside them."""

    run: Callable[..., Tensor]
    parameters: tuple[Tensor, ...] = ()


def step_of(way: Way, inputs: tuple[Tensor, ...], *, backward: bool = True) -> Work:
    """Forward, and backward too."""

    def step() -> None:
        with torch.set_grad_enabled(backward):
            made = way.run(*inputs)
            if backward:
                torch.autograd.grad(made.sum(), (*inputs, *way.parameters), allow_unused=True)

    return step


def word_by_word(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Algorithm 1 as a loop over utterances and words."""
    window, half, frames = CONFIG.window, CONFIG.window // 2, key.shape[1]
    made = []
    for q, k, v in zip(query, key, value, strict=True):
        rows = []
        for word in range(len(q)):
            start, end = word * CONFIG.hop, word * CONFIG.hop + window
            row = k.new_zeros(frames)
            for spans in (
                ((start, end),),
                ((start - half, start), (end, end + half)),
                ((start - window, start - half), (end + half, end + window)),
            ):
                places = [place for low, high in spans for place in range(max(0, low), min(frames, high))]
                if places:
                    row[places] = torch.softmax(k[places] @ q[word] / q.shape[1] ** 0.5, dim=0)
                seen = row.detach()[max(0, spans[0][0]) : min(frames, spans[-1][1])]
                strength = (seen > seen.mean() * (1 + 1e-5)).sum()
                if strength < (half if len(spans) == 1 else window):
                    break
            rows.append(row @ v)
        made.append(torch.stack(rows))
    return torch.stack(made)


def table_of_all(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Plain attention that keeps its ``(N, L, T)`` weights."""
    return torch.softmax(query @ key.mT * query.shape[-1] ** -0.5, dim=-1) @ value


def plain_attention(query: Tensor, key: Tensor, value: Tensor, present: Tensor) -> Tensor:
    """Plain attention of one head over all real frames."""
    mask = present[:, None, None]
    return F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], attn_mask=mask)[:, 0]


def _drawn(*size: int, device: torch.device) -> Tensor:
    return torch.randn(*size, device=device, requires_grad=True)


def sawa(device: torch.device, *, rounds: int) -> dict[str, float]:
    """Figures of the attention alone."""
    layer = SlidingWindowAttention(CONFIG).to(device)
    query = _drawn(BATCH, CONFIG.words, CONFIG.dims, device=device)
    key, value = (_drawn(BATCH, CONFIG.frames, CONFIG.dims, device=device) for _ in range(2))
    masks = [torch.ones(part.shape[:2], dtype=torch.bool, device=device) for part in (query, key)]
    attend = partial(layer.attend, words_present=masks[0], frames_present=masks[1])
    inputs = (query, key, value)
    ways: dict[str, Callable[..., Tensor]] = {"sawa": attend}
    if (compiled := compiled_or_none(attend, inputs)) is not None:
        ways["compiled"] = compiled
    for run in ways.values():
        torch.testing.assert_close(run(*inputs), word_by_word(*inputs), atol=1e-4, rtol=0)
    ours = list(ways)
    ways |= {"plain": partial(plain_attention, present=masks[1])}
    steps = {name: step_of(Way(run), inputs) for name, run in ways.items()} | {"touch": partial(touch, *inputs)}
    loop = medians({"loop": step_of(Way(word_by_word), inputs)}, device, rounds=3)["loop"]
    spent = medians(steps, device, rounds=rounds)
    found = {"touching_ms": 1e3 * spent["touch"]}
    for way in ours:
        found |= {
            f"{way}_ms": 1e3 * spent[way],
            f"{way}_of_plain_attention": spent[way] / spent["plain"],
            f"{way}_times_the_loop": loop / spent[way],
        }
    return found


def compiled_or_none(run: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[..., Tensor] | None:
    """The function compiled; None, and a line that says why, where there is no compiler."""
    compiled: Callable[..., Tensor] = torch.compile(run)
    try:
        compiled(*inputs)
    except RuntimeError as error:
        print(f"not compiled: {error}")
        return None
    return compiled


def touch(*inputs: Tensor) -> None:
    """Reads the inputs once forward and once backward, and writes as much as their gradients: what nobody can omit."""
    with torch.no_grad():
        for part in (*inputs, *inputs):
            part.sum()
        gradients = [torch.zeros_like(part) for part in inputs]
    del gradients


def sawa_by_threads(device: torch.device, *, rounds: int) -> dict[str, dict[str, float]]:
    """Figures of the attention by where they are measured: a CPU with one thread, and with one a core."""
    found = {}
    for threads in sorted({1, os.cpu_count() or 1}) if device.type == "cpu" else (1,):
        torch.set_num_threads(threads)
        found[where(device)] = sawa(device, rounds=rounds)
    torch.set_num_threads(1)
    return found


def peak_mib(way: str, frames: int) -> float:
    """What forward and backward take beyond their inputs; on a CPU for a fresh process."""
    device = fastest_device()
    config = MFDRConfig(frames=frames, words=(frames - CONFIG.window) // CONFIG.hop + 1)
    layer = SlidingWindowAttention(config).to(device)
    query = _drawn(LONG_BATCH, config.words, CONFIG.dims, device=device)
    key, value = (_drawn(LONG_BATCH, frames, CONFIG.dims, device=device) for _ in range(2))
    masks = [torch.ones(part.shape[:2], dtype=torch.bool, device=device) for part in (query, key)]
    started = _from_now_on(device)
    made = layer.attend(query, key, value, *masks) if way == "sawa" else table_of_all(query, key, value)
    torch.autograd.grad(made.sum(), (query, key, value))
    return (_peak_bytes(device) - started) / 2**20


def _from_now_on(device: torch.device) -> int:
    """Forgets the peak before, and returns what is in use."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_bytes(device)


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def memory() -> dict[str, dict[str, float]]:
    """Peak of each way by number of frames, each in a process of its own."""
    found: dict[str, dict[str, float]] = {}
    for frames in LENGTHS:
        for way in WAYS:
            program = f"from benchmarks.mfdr import peak_mib; print(peak_mib({way!r}, {frames}))"
            done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
            found.setdefault(str(frames), {})[f"{way}_mib"] = float(done.stdout)
    return found


def step_by_step(unit: GCPU, z: Tensor, g: Tensor) -> Tensor:
    """Eq. 1-6 as they stand, one product a weight and word."""
    zr, zz = unit.from_z.weight.chunk(2)
    gr, gg = unit.from_g.weight.chunk(2)
    hz, hg, hu = unit.from_reset.weight.chunk(3)
    zu, gu = unit.from_candidates.weight.chunk(2, dim=1)
    br, bz, bg, bu = unit.bias.chunk(4)
    h, states = torch.zeros_like(z[:, 0]), []
    for t in range(z.shape[1]):
        r = torch.sigmoid(F.linear(h, unit.from_h.weight) + F.linear(z[:, t], zr) + F.linear(g[:, t], gr) + br)
        kept = r * h
        candidate_z = torch.tanh(F.linear(z[:, t], zz) + F.linear(kept, hz) + bz)
        candidate_g = torch.tanh(F.linear(g[:, t], gg) + F.linear(kept, hg) + bg)
        u = torch.sigmoid(F.linear(candidate_z, zu) + F.linear(candidate_g, gu) + F.linear(kept, hu) + bu)
        h = kept + u * (candidate_z + candidate_g)
        states.append(h)
    return torch.stack(states, dim=1)


def products_alone(unit: GCPU, z: Tensor, g: Tensor, *, backward: bool) -> None:
    """The matrix products of GCPU, step by step where a step waits for the one before.

    Backward has as many for the gradients of what enters, and as many for those of the weights, over all steps at once.
    """
    steps = z.shape[1]
    for part, inputs in ((unit.from_z, z), (unit.from_g, g)):
        rows = inputs.flatten(0, 1)
        made = rows @ part.weight.t()
        if backward:
            torch.mm(made, part.weight)
            torch.mm(made.t(), rows)
    for part in (unit.from_h, unit.from_reset, unit.from_candidates):
        rows = z.new_ones(len(z), part.in_features)
        made = rows @ part.weight.t()
        for _ in range(steps - 1):
            torch.mm(rows, part.weight.t())
        if backward:
            for _ in range(steps):
                torch.mm(made, part.weight)
            torch.mm(made.repeat(steps, 1).t(), rows.repeat(steps, 1))


def gcpu(device: torch.device, *, rounds: int) -> dict[str, dict[str, float]]:
    """Figures of the recurrent unit: training steps of several batch sizes, and one utterance's prediction."""
    unit, gru = GCPU(dims=CONFIG.dims).to(device), nn.GRU(CONFIG.dims, CONFIG.dims, batch_first=True).to(device)
    cases = {f"training, batch {count}": (count, True) for count in (BATCH, 8, 1)} | {"prediction, batch 1": (1, False)}
    found = {}
    for name, (count, backward) in cases.items():
        inputs = tuple(_drawn(count, CONFIG.words, CONFIG.dims, device=device) for _ in range(2))
        ways = {
            "gcpu": Way(unit.forward, tuple(unit.parameters())),
            "eager": Way(partial(step_by_step, unit), tuple(unit.parameters())),
            "gru": Way(lambda z, _: gru(z)[0], tuple(gru.parameters())),
        }
        torch.testing.assert_close(ways["gcpu"].run(*inputs), ways["eager"].run(*inputs), atol=1e-4, rtol=0)
        if device.type == "cuda" and backward:
            graphed = torch.cuda.make_graphed_callables(GCPU(dims=CONFIG.dims).to(device), inputs)
            ways["graph"] = Way(cast("nn.Module", graphed), tuple(cast("nn.Module", graphed).parameters()))
        steps = {way: step_of(each, inputs, backward=backward) for way, each in ways.items()}
        steps["products"] = torch.no_grad()(partial(products_alone, unit, *inputs, backward=backward))
        spent = medians(steps, device, rounds=rounds)
        found[name] = {"gcpu_ms": 1e3 * spent["gcpu"]} | {
            f"{way}_is_times": spent[way] / spent["gcpu"] for way in spent if way != "gcpu"
        }
    return found


def main() -> None:
    """Measures, prints, records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = fastest_device()
    attention = sawa_by_threads(device, rounds=options.rounds)
    peaks = memory()
    recurrence = gcpu(device, rounds=options.rounds)
    for name, row in {**attention, **peaks, **recurrence}.items():
        print(f"{name:20} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    figures = {"batch": BATCH, "sawa": attention, "memory": peaks, "gcpu": recurrence}
    write_result("mfdr", {"device": device.type, "where": where(device), **figures})


if __name__ == "__main__":
    main()
