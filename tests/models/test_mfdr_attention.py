"""MFDR's sliding windows against Algorithm 1, their gradients, memory and precision."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks import mfdr as benchmark
from merflow.models.mfdr import SlidingWindowAttention
from tests.models.slow import assert_near, sequences
from tests.models.slow_mfdr import DIMS, slow_sliding, slow_windows, small

SIZES = [
    ([50], [255]),
    ([50, 12, 3], [255, 61, 40]),
    ([33, 1, 17], [100, 30, 9]),  # the last utterance is shorter than a window
    ([4, 1, 2], [1, 1, 0]),
    ([16], [95]),
    ([100, 7], [513, 60]),
    ([113], [600]),
    ([128], [660]),
    ([20], [514]),
]
LAYOUTS = [
    ("sawa", 10, 5),
    ("sawa", 4, 2),
    ("sawa", 4, 3),  # windows start at no multiple of half a window
    ("sawa", 2, 7),  # frames between windows belong to none
    ("sliwa", 10, 5),
    ("sliwa", 30, 5),
    ("sliwa", 30, 15),
    ("sliwa", 2, 1),
]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(17)


@pytest.mark.parametrize("alignment", ["paced", "proportional"])
@pytest.mark.parametrize(("attention", "window", "hop"), LAYOUTS)
@pytest.mark.parametrize(("words", "frames"), SIZES, ids=str)
def test_sliding_windows(
    words: list[int], frames: list[int], attention: str, window: int, hop: int, alignment: str
) -> None:
    config = small(dims=DIMS, attention=attention, window=window, hop=hop, alignment=alignment)
    layer = SlidingWindowAttention(config).double()
    text, words_present = sequences(words, DIMS)
    speech, frames_present = sequences(frames, DIMS)
    combined = layer(2 * text, 2 * speech, words_present, frames_present)
    for row, (count, steps) in enumerate(zip(words, frames, strict=True)):
        expected, _ = slow_sliding(layer, 2 * text[row], 2 * speech[row, :steps], count=count)
        assert_near(combined[row], expected)


def projections(
    words: int, frames: int, *, count: int = 2
) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the arguments of ``attend``: random queries, keys and values with gradients, and masks of full length."""
    query, key, value = (
        torch.randn(count, steps, DIMS, dtype=torch.float64, requires_grad=True) for steps in (words, frames, frames)
    )
    words_present, frames_present = (torch.ones(count, steps, dtype=torch.bool) for steps in (words, frames))
    return (query, key, value), (words_present, frames_present)


@pytest.mark.parametrize(("words", "frames"), [(50, 255), (7, 90), (40, 13), (35, 180)])
def test_gradients_of_sliding_windows_are_those_of_algorithm_1(words: int, frames: int) -> None:
    inputs, masks = projections(words, frames)
    layer = SlidingWindowAttention(small(dims=DIMS))
    combined = layer.attend(*inputs, *masks)
    expected = benchmark.word_by_word(*inputs)
    assert_near(combined, expected)
    direction = torch.randn_like(combined)
    gradients = torch.autograd.grad(combined, inputs, direction)
    for one, other in zip(gradients, torch.autograd.grad(expected, inputs, direction), strict=True):
        assert_near(one, other)


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches all operations, and keeps the size of the largest tensor that one of them returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = 0
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        self.operations += 1
        self.elements = max([self.elements, *(part.numel() for part in tree_leaves(result) if torch.is_tensor(part))])
        return result


@pytest.mark.parametrize("attention", ["sawa", "sliwa"])
def test_memory_grows_with_the_window_and_not_with_the_utterance(attention: str) -> None:
    """No tensor, forward or backward, grows faster than the utterance."""
    largest = []
    for words in (100, 1000):
        inputs, masks = projections(words, 5 * words, count=1)
        with Largest() as seen:
            layer = SlidingWindowAttention(small(dims=DIMS, attention=attention))
            combined = layer.attend(*inputs, *masks)
            torch.autograd.grad(combined.sum(), inputs)
        assert seen.operations > 20
        largest.append(seen.elements)
    assert largest[1] <= 10.5 * largest[0]
    assert largest[1] < 1000 * 5000 / 20


def test_windows_widen_once_and_twice() -> None:
    """Rows sum to 1, 2 or 3 over w, 2 w and 3 w frames; values that name their frame turn z into the weights."""
    layer = SlidingWindowAttention(small(dims=DIMS)).double()
    frames = 255
    query, key = torch.randn(4, 50, DIMS).double(), torch.randn(4, frames, DIMS).double()
    frames_present, words_present = torch.ones(4, frames, dtype=torch.bool), torch.ones(4, 50, dtype=torch.bool)
    weights = layer.attend(query, key, torch.eye(frames).double().expand(4, -1, -1), words_present, frames_present)
    inner = weights[:, 2:-3]  # words whose frames all exist
    sums = inner.sum(dim=-1).round().long()
    assert_near(inner.sum(dim=-1), sums.double())
    assert set(sums.flatten().tolist()) == {1, 2, 3}
    assert torch.equal((inner > 0).sum(dim=-1), 10 * sums)
    for utterance in range(4):
        for word in range(50):
            scores = (key[utterance] @ query[utterance, word] / math.sqrt(DIMS)).tolist()
            expected = torch.zeros(frames).double()
            for frame, weight in slow_windows(scores, 5 * word, window=10, adaptive=True).items():
                expected[frame] = weight
            assert_near(weights[utterance, word], expected)


def test_frames_that_are_all_alike_never_widen_a_window() -> None:
    layer = SlidingWindowAttention(small(dims=DIMS))
    frames_present, words_present = torch.ones(1, 255, dtype=torch.bool), torch.ones(1, 50, dtype=torch.bool)
    alike = torch.ones(1, 255, DIMS)
    weights = layer.attend(
        torch.randn(1, 50, DIMS), alike, torch.eye(255).expand(1, -1, -1), words_present, frames_present
    )
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 50))


def test_proportional_windows_equal_the_papers_at_the_papers_lengths() -> None:
    """With 255 frames and 50 words, proportional windows lie 5 frames apart too."""
    paced = SlidingWindowAttention(small(dims=DIMS)).double()
    proportional = SlidingWindowAttention(small(dims=DIMS, alignment="proportional")).double()
    proportional.load_state_dict(paced.state_dict())
    text, words_present = sequences([50, 50], DIMS)
    speech, frames_present = sequences([255, 255], DIMS)
    first, second = (layer(text, speech, words_present, frames_present) for layer in (paced, proportional))
    assert_near(first, second)


def test_sixteen_bits_stay_sixteen_bits() -> None:
    layer = SlidingWindowAttention(small(dims=DIMS, attention="sliwa"))
    drawn, masks = projections(5, 24)
    inputs = [values.detach().float().requires_grad_() for values in drawn]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halves = [values.bfloat16() for values in inputs]
        combined = layer.attend(halves[0], halves[1], halves[2], *masks)
    assert combined.dtype == torch.bfloat16
    exact = layer.attend(inputs[0], inputs[1], inputs[2], *masks)
    torch.testing.assert_close(combined.float(), exact, atol=0.1, rtol=0.05)
    for gradient in torch.autograd.grad(combined.float().sum(), inputs):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("alignment", ["paced", "proportional"])
def test_a_compiler_takes_the_attention_whole(alignment: str) -> None:
    layer = SlidingWindowAttention(small(dims=DIMS, alignment=alignment))
    inputs, masks = projections(30, 160)
    compiled = torch.compile(layer.attend, backend="aot_eager", fullgraph=True)
    results = []
    for attend in (layer.attend, compiled):
        combined = attend(inputs[0], inputs[1], inputs[2], *masks)
        results.append((combined, *torch.autograd.grad(combined.square().sum(), inputs)))
    for eager, traced in zip(*results, strict=True):
        assert_near(traced, eager)
