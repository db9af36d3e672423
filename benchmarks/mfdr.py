"""Speed of MFDR's parts, forward and backward, at the paper's size (batch 32, 255 frames, 50 words, width 256).

SAWA, eager and compiled, is compared with Algorithm 1 as a loop over words and with plain attention over all frames,
given queries, keys and values. Beside it stands the time to read these and to write as much. Its memory at growing
lengths is compared with that of a table of all words and frames.

GCPU is compared with Eq. 1-6 word by word without batched input products, with its matrix products alone, and with
PyTorch's GRU, which has half of these products. On a GPU, GCPU is also replayed as a CUDA graph. DFC predicts for one
utterance with kernels that it keeps and with kernels that it computes anew.

The candidates run in alternation, and the median of each counts. A CPU computes with one thread, and SAWA also with one
thread per core that this process may use.
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
from merflow.models.mfdr import GCPU, DynamicFrameConvolution, MFDRConfig, SlidingWindowAttention

CONFIG = MFDRConfig()
BATCH, ROUNDS = 32, 15
LENGTHS, LONG_BATCH = (1024, 2048, 4096), 16
WAYS = ("sawa", "table")


class Way(NamedTuple):
    """A function of the inputs, and the parameters that get gradients beside them."""

    run: Callable[..., Tensor]
    parameters: tuple[Tensor, ...] = ()


def step_of(way: Way, inputs: tuple[Tensor, ...], *, backward: bool = True) -> Work:
    """Return one step: forward, and backward unless switched off."""

    def step() -> None:
        with torch.set_grad_enabled(backward):
            result = way.run(*inputs)
            if backward:
                torch.autograd.grad(result.sum(), (*inputs, *way.parameters), allow_unused=True)

    return step


def word_by_word(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute Algorithm 1 as a loop over utterances and words."""
    window, half, frames = CONFIG.window, CONFIG.window // 2, key.shape[1]
    combined = []
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
                near = [frame for low, high in spans for frame in range(max(0, low), min(frames, high))]
                if near:
                    row[near] = torch.softmax(k[near] @ q[word] / q.shape[1] ** 0.5, dim=0)
                seen = row.detach()[max(0, spans[0][0]) : min(frames, spans[-1][1])]
                strength = (seen > seen.mean() * (1 + 1e-5)).sum()
                if strength < (half if len(spans) == 1 else window):
                    break
            rows.append(row @ v)
        combined.append(torch.stack(rows))
    return torch.stack(combined)


def table_of_all(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute plain attention that keeps its ``(N, L, T)`` weights."""
    return torch.softmax(query @ key.mT * query.shape[-1] ** -0.5, dim=-1) @ value


def plain_attention(query: Tensor, key: Tensor, value: Tensor, present: Tensor) -> Tensor:
    """Compute plain attention of one head over all real frames."""
    mask = present[:, None, None]
    return F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], attn_mask=mask)[:, 0]


def _drawn(*size: int, device: torch.device) -> Tensor:
    return torch.randn(*size, device=device, requires_grad=True)


def sawa(device: torch.device, *, rounds: int) -> dict[str, float]:
    """Return the figures of the attention alone."""
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
    figures = {"touching_ms": 1e3 * spent["touch"]}
    for way in ours:
        figures |= {
            f"{way}_ms": 1e3 * spent[way],
            f"{way}_of_plain_attention": spent[way] / spent["plain"],
            f"{way}_times_the_loop": loop / spent[way],
        }
    return figures


def compiled_or_none(run: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[..., Tensor] | None:
    """Return the compiled function; print the reason and return None if there is no compiler."""
    compiled: Callable[..., Tensor] = torch.compile(run)
    try:
        compiled(*inputs)
    except RuntimeError as error:
        print(f"not compiled: {error}")
        return None
    return compiled


def touch(*inputs: Tensor) -> None:
    """Read the inputs once forward and once backward, and write as much as their gradients: a lower bound."""
    with torch.no_grad():
        for part in (*inputs, *inputs):
            part.sum()
        gradients = [torch.zeros_like(part) for part in inputs]
    del gradients


def sawa_by_threads(device: torch.device, *, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures of the attention by device: a CPU with one thread, and with one thread per core."""
    figures = {}
    for threads in sorted({1, len(os.sched_getaffinity(0))}) if device.type == "cpu" else (1,):
        torch.set_num_threads(threads)
        figures[where(device)] = sawa(device, rounds=rounds)
    torch.set_num_threads(1)
    return figures


def peak_mib(way: str, frames: int) -> float:
    """Return the peak memory of forward and backward beyond their inputs; on a CPU, call it in a fresh process."""
    device = fastest_device()
    config = MFDRConfig(frames=frames, words=(frames - CONFIG.window) // CONFIG.hop + 1)
    layer = SlidingWindowAttention(config).to(device)
    query = _drawn(LONG_BATCH, config.words, CONFIG.dims, device=device)
    key, value = (_drawn(LONG_BATCH, frames, CONFIG.dims, device=device) for _ in range(2))
    masks = [torch.ones(part.shape[:2], dtype=torch.bool, device=device) for part in (query, key)]
    started = _from_now_on(device)
    combined = layer.attend(query, key, value, *masks) if way == "sawa" else table_of_all(query, key, value)
    torch.autograd.grad(combined.sum(), (query, key, value))
    return (_peak_bytes(device) - started) / 2**20


def _from_now_on(device: torch.device) -> int:
    """Reset the peak, and return the memory in use."""
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
    """Return the peak of each way by number of frames, each measured in a process of its own."""
    figures: dict[str, dict[str, float]] = {}
    for frames in LENGTHS:
        for way in WAYS:
            program = f"from benchmarks.mfdr import peak_mib; print(peak_mib({way!r}, {frames}))"
            done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
            figures.setdefault(str(frames), {})[f"{way}_mib"] = float(done.stdout)
    return figures


def step_by_step(unit: GCPU, z: Tensor, g: Tensor) -> Tensor:
    """Compute Eq. 1-6 as the paper writes them, with one product per weight and word."""
    zr, zz = unit.from_z.weight.chunk(2)
    gr, gg = unit.from_g.weight.chunk(2)
    hz, hg, hu = unit.from_reset.weight.chunk(3)
    zu, gu = unit.from_candidates.weight.chunk(2, dim=1)
    br, bz, bg, bu = unit.bias.chunk(4)
    h, states = torch.zeros_like(z[:, 0]), []
    for t in range(z.shape[1]):
        r = torch.sigmoid(F.linear(h, unit.from_h.weight) + F.linear(z[:, t], zr) + F.linear(g[:, t], gr) + br)
        reset = r * h
        candidate_z = torch.tanh(F.linear(z[:, t], zz) + F.linear(reset, hz) + bz)
        candidate_g = torch.tanh(F.linear(g[:, t], gg) + F.linear(reset, hg) + bg)
        u = torch.sigmoid(F.linear(candidate_z, zu) + F.linear(candidate_g, gu) + F.linear(reset, hu) + bu)
        h = reset + u * (candidate_z + candidate_g)
        states.append(h)
    return torch.stack(states, dim=1)


def products_alone(unit: GCPU, z: Tensor, g: Tensor, *, backward: bool) -> None:
    """Compute the matrix products of GCPU alone, word by word where a word depends on the one before.

    Backward has as many products for the gradients of the inputs, and as many for those of the weights, over all words
    at once.
    """
    steps = z.shape[1]
    for part, inputs in ((unit.from_z, z), (unit.from_g, g)):
        rows = inputs.flatten(0, 1)
        product = rows @ part.weight.t()
        if backward:
            torch.mm(product, part.weight)
            torch.mm(product.t(), rows)
    for part in (unit.from_h, unit.from_reset, unit.from_candidates):
        rows = z.new_ones(len(z), part.in_features)
        product = rows @ part.weight.t()
        for _ in range(steps - 1):
            torch.mm(rows, part.weight.t())
        if backward:
            for _ in range(steps):
                torch.mm(product, part.weight)
            torch.mm(product.repeat(steps, 1).t(), rows.repeat(steps, 1))


def gcpu(device: torch.device, *, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures of the recurrent unit: training steps of several batch sizes, and one prediction."""
    unit, gru = GCPU(dims=CONFIG.dims).to(device), nn.GRU(CONFIG.dims, CONFIG.dims, batch_first=True).to(device)
    cases = {f"training, batch {count}": (count, True) for count in (BATCH, 8, 1)} | {"prediction, batch 1": (1, False)}
    figures = {}
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
        figures[name] = {"gcpu_ms": 1e3 * spent["gcpu"]} | {
            f"{way}_is_times": spent[way] / spent["gcpu"] for way in spent if way != "gcpu"
        }
    return figures


def dfc(device: torch.device, *, rounds: int) -> dict[str, float]:
    """Return the milliseconds of both layers of DFC for one utterance, with kept kernels and with new ones."""
    layers = [
        DynamicFrameConvolution(CONFIG, steps=steps, stride=stride)
        for steps, stride in zip(CONFIG.steps[:-1], CONFIG.strides, strict=True)
    ]
    model = nn.Sequential(*layers).to(device).eval()
    hidden = torch.randn(1, CONFIG.words, CONFIG.dims, device=device)

    def anew() -> None:
        for layer in layers:
            layer.forget_kernels()
        model(hidden)

    with torch.inference_mode():
        spent = medians({"kept": partial(model, hidden), "anew": anew}, device, rounds=rounds)
    return {f"{way}_ms": 1e3 * each for way, each in spent.items()}


def main() -> None:
    """Measure, print and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = fastest_device()
    attention, peaks = sawa_by_threads(device, rounds=rounds), memory()
    recurrence, refinement = gcpu(device, rounds=rounds), {"DFC, one utterance": dfc(device, rounds=rounds)}
    for name, row in {**attention, **peaks, **recurrence, **refinement}.items():
        print(f"{name:20} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    figures = {"batch": BATCH, "sawa": attention, "memory": peaks, "gcpu": recurrence, "dfc": refinement}
    write_result("mfdr", {"device": device.type, "where": where(device), **figures})


if __name__ == "__main__":
    main()
