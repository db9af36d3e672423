"""Products with windows of frames against windows that are copied one by one, in float64."""

import pytest
import torch
from torch import Tensor

from merflow.models.windows import Windows
from tests.models.slow import assert_near

DIMS = 3
LAYOUTS = [
    Windows(hop=5, reach=30, before=10),
    Windows(hop=2, reach=12, before=4),
    Windows(hop=5, reach=10),
    Windows(hop=3, reach=12, before=4),  # no window starts with a hop's first frame
    Windows(hop=4, reach=3),  # frames between windows are in none
    Windows(hop=7, reach=9, before=3),
    Windows(hop=1, reach=1),
]
SIZES = [(2, 50, 255), (3, 4, 2), (1, 1, 1), (2, 3, 100), (2, 9, 44), (4, 20, 30)]


def copied(layout: Windows, frames: Tensor, words: int) -> tuple[Tensor, Tensor]:
    """Every word's window ``(N, L, R, D)``, zeros where no frame is, and where there is one ``(L, R)``."""
    count, length, dims = frames.shape
    rows, exists = (
        frames.new_zeros(count, words, layout.reach, dims),
        torch.zeros(words, layout.reach, dtype=torch.bool),
    )
    for word in range(words):
        for place in range(layout.reach):
            frame = word * layout.hop - layout.before + place
            if 0 <= frame < length:
                rows[:, word, place] = frames[:, frame]
                exists[word, place] = True
    return rows, exists


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(("count", "words", "length"), SIZES)
def test_scores_and_sums(layout: Windows, count: int, words: int, length: int) -> None:
    torch.manual_seed(3)
    said = torch.randn(count, words, DIMS, dtype=torch.float64, requires_grad=True)
    frames = torch.randn(count, length, DIMS, dtype=torch.float64, requires_grad=True)
    windows, exists = copied(layout, frames, words)
    weights = (torch.randn(count, words, layout.reach, dtype=torch.float64) * exists).requires_grad_()
    found = (layout.scores(said, frames) * exists, layout.sums(weights, frames))
    expected = (torch.einsum("nld,nlrd->nlr", said, windows), torch.einsum("nlr,nlrd->nld", weights, windows))
    for ours, slow, inputs in zip(found, expected, ((said, frames), (weights, frames)), strict=True):
        assert_near(ours, slow)
        back = torch.randn_like(slow)
        gradients = torch.autograd.grad(ours, inputs, back)
        of_slow = torch.autograd.grad(slow, inputs, back, retain_graph=True)
        assert_near(gradients[1], of_slow[1])
        place = exists if inputs[0] is weights else torch.ones((), dtype=torch.bool)
        assert_near(gradients[0] * place, of_slow[0])


def attended(layout: Windows, said: Tensor, frames: Tensor) -> Tensor:
    return layout.sums(layout.scores(said, frames).softmax(dim=-1), frames)


def test_what_a_compiler_traces_is_the_same() -> None:
    layout = LAYOUTS[0]
    said = torch.randn(2, 5, DIMS, dtype=torch.float64, requires_grad=True)
    frames = torch.randn(2, 24, DIMS, dtype=torch.float64, requires_grad=True)
    made = [
        (values := way(layout, said, frames), *torch.autograd.grad(values.square().sum(), (said, frames)))
        for way in (attended, torch.compile(attended, backend="aot_eager", fullgraph=True))
    ]
    for ours, traced in zip(*made, strict=True):
        assert_near(traced, ours)


def test_sixteen_bits_stay_sixteen_bits() -> None:
    layout = LAYOUTS[0]
    said, frames = (torch.randn(2, steps, DIMS, requires_grad=True) for steps in (5, 24))
    halves = [values.bfloat16() for values in (said, frames)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attended(layout, halves[0], halves[1])
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), attended(layout, said, frames), atol=0.1, rtol=0.05)
    (gradient,) = torch.autograd.grad(found.float().sum(), frames)
    assert gradient.isfinite().all()
