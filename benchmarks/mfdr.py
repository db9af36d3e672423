"""How fast are MFDR's parts, forward and backward, at the paper's size (batch 32, 255 frames, 50 words, width 256)?

SAWA against Algorithm 1 word by word and against plain attention over all frames, from queries, keys and values on; its
memory at growing lengths against a table of all words and frames. GCPU against Eq. 1-6 step by step, and against
PyTorch's GRU, which has half the products. Ways alternate within each round, in another order each, after one round
that does not count, and each way's median counts. On a GPU, GCPU is also replayed as a CUDA graph.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.record import write_result
from merflow.models.mfdr import GCPU, MFDRConfig, SlidingWindowAttention

CONFIG = MFDRConfig()
BATCH, ROUNDS = 32, 15
LENGTHS, LONG_BATCH = (1024, 2048, 4096), 16
WAYS = ("sawa", "table")


class Way(NamedTuple):
    """A function of the inputs, and the parameters that learn beside them."""

    run: Callable[..., Tensor]
    parameters: tuple[Tensor, ...] = ()


def median_ms(
    ways: dict[str, Way], inputs: tuple[Tensor, ...], *, rounds: int, backward: bool = True
) -> dict[str, float]:
    """Milliseconds of each way: the median round."""
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way in random.sample(list(ways), len(ways)):
            _wait(inputs[0].device)
            started = perf_counter()
            with torch.set_grad_enabled(backward):
                made = ways[way].run(*inputs)
                if backward:
                    torch.autograd.grad(made.sum(), (*inputs, *ways[way].parameters), allow_unused=True)
            _wait(inputs[0].device)
            if number:
                spent[way].append(1000 * (perf_counter() - started))
    return {way: median(each) for way, each in spent.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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
    spoken, present = (torch.ones(part.shape[:2], dtype=torch.bool, device=device) for part in (query, key))
    ways: dict[str, Way] = {
        "sawa": Way(lambda q, k, v: layer.attend(q, k, v, spoken, present)),
        "plain": Way(partial(plain_attention, present=present)),
    }
    torch.testing.assert_close(ways["sawa"].run(query, key, value), word_by_word(query, key, value), atol=1e-4, rtol=0)
    spent = median_ms(ways, (query, key, value), rounds=rounds)
    slow = median_ms({**ways, "loop": Way(word_by_word)}, (query, key, value), rounds=3)
    return {
        "sawa_ms": spent["sawa"],
        "of_plain_attention": spent["sawa"] / spent["plain"],
        "times_the_loop": slow["loop"] / slow["sawa"],
    }


def peak_mib(way: str, frames: int) -> float:
    """What forward and backward take beyond their inputs; on a CPU for a fresh process."""
    device = _device()
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
    hz, hg, hu = unit.from_kept.weight.chunk(3)
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
        spent = median_ms(ways, inputs, rounds=rounds, backward=backward)
        found[name] = {"gcpu_ms": spent["gcpu"]} | {
            f"{way}_is_times": spent[way] / spent["gcpu"] for way in spent if way != "gcpu"
        }
    return found


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    """Measures, prints, records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = _device()
    figures = {
        "sawa": sawa(device, rounds=arguments.rounds),
        "memory": memory(),
        "gcpu": gcpu(device, rounds=arguments.rounds),
    }
    for name, figure in figures.items():
        print(f"{name:8} {figure}")
    write_result("mfdr", figures)


if __name__ == "__main__":
    main()
