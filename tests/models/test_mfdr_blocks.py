"""MFDR's recurrent units and its dynamic frame convolution against their equations."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from merflow.models.mfdr import GCPU, MFDR, MGRU, DynamicFrameConvolution
from tests.models.batches import EMOTIONS, SMALL, random_batch, shapes_of
from tests.models.slow import assert_near, sequences
from tests.models.slow_mfdr import DIMS, slow_dfc, slow_gcpu, slow_unit, small


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(17)


@pytest.mark.parametrize("kind", [GCPU, MGRU])
@pytest.mark.parametrize("words", [[5, 3, 1], [1], [50]], ids=str)
def test_recurrent_units(kind: type[GCPU] | type[MGRU], words: list[int]) -> None:
    unit = kind(dims=DIMS).double()
    z, _ = sequences(words, DIMS)
    g, _ = sequences(words, DIMS)
    actual = unit(z, g)
    for position, count in enumerate(words):
        assert_near(actual[position, :count], slow_unit(unit, z[position, :count], g[position, :count]))


def test_gradients_of_a_gcpu_are_those_of_the_equations() -> None:
    unit = GCPU(dims=DIMS).double()
    z, g = (torch.randn(1, 7, DIMS, dtype=torch.float64, requires_grad=True) for _ in range(2))
    direction = torch.randn(1, 7, DIMS, dtype=torch.float64)
    inputs = [z, g, *unit.parameters()]
    actual = torch.autograd.grad((unit(z, g) * direction).sum(), inputs)
    expected = torch.autograd.grad((slow_gcpu(unit, z[0], g[0]) * direction[0]).sum(), inputs)
    for one, other in zip(actual, expected, strict=True):
        assert_near(one, other)


@pytest.mark.parametrize("unit", ["gcpu", "mgru"])
def test_a_compiler_leaves_out_the_recurrence_alone(unit: str) -> None:
    """A compiler would unroll the words, so there is one graph before the unit and one after it."""
    torch._dynamo.reset()
    config = small(unit=unit)
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS).eval()
    batch = random_batch(config.streams(), [40, 100, 7])
    graphs = CompileCounter()
    compiled = torch.compile(model, backend=graphs)
    torch.testing.assert_close(compiled(batch).logits, model(batch).logits)
    assert graphs.frame_count == 2


@pytest.mark.parametrize(("steps", "stride", "left"), [(50, 2, 24), (24, 3, 8), (3, 2, 1)])
def test_dynamic_frame_convolution(steps: int, stride: int, left: int) -> None:
    layer = DynamicFrameConvolution(small(), steps=steps, stride=stride).double()
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    hidden = torch.randn(3, steps, SMALL["mfdr"]["dims"], dtype=torch.float64)
    actual = layer(hidden)
    assert actual.shape[1] == left
    for position in range(3):
        assert_near(actual[position], slow_dfc(layer, hidden[position]))


@pytest.mark.parametrize("change", ["a training step", "a state dict", "another dtype"])
def test_kernels_are_computed_once_until_the_weights_change(change: str) -> None:
    layer = DynamicFrameConvolution(small(), steps=8, stride=2).eval()
    runs: list[str] = []
    layer.narrow.register_forward_hook(lambda *_: runs.append("narrow"))
    hidden = torch.randn(2, 8, SMALL["mfdr"]["dims"])
    with torch.no_grad():
        before = [layer(hidden), layer(hidden), layer.eval()(hidden)]
    assert len(runs) == 1
    assert all(torch.equal(before[0], again) for again in before)
    if change == "a training step":
        optimizer = torch.optim.SGD(layer.train().parameters(), lr=0.001)
        layer(hidden).square().sum().backward()
        optimizer.step()
        layer.eval()
    elif change == "a state dict":
        layer.load_state_dict(DynamicFrameConvolution(small(), steps=8, stride=2).state_dict())
    else:
        layer.double()
    with torch.no_grad():
        after = layer(hidden.to(layer.map.dtype))
    assert_near(after[0], slow_dfc(layer, hidden[0].to(layer.map.dtype)))
    if change != "another dtype":
        assert not torch.allclose(after, before[0])


def test_kept_kernels_take_no_gradient_and_are_not_rounded() -> None:
    layer = DynamicFrameConvolution(small(), steps=8, stride=2).eval()
    hidden = torch.randn(2, 8, SMALL["mfdr"]["dims"])
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = layer(hidden)
    with torch.no_grad():
        assert torch.equal(layer(hidden), rounded)
    layer(hidden).sum().backward()
    assert layer.map.grad is not None
