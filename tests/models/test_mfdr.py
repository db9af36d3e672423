"""MFDR's equations, Algorithm 1 and blocks against slow loops in float64."""

import math
import statistics
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks import mfdr as benchmark
from merflow.contracts.batch import Batch, Output
from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Role, Stream
from merflow.contracts.task import SCALES
from merflow.errors import PresetError
from merflow.models import MODELS
from merflow.models.layers import Attention, inspect
from merflow.models.mfdr import (
    GCPU,
    MFDR,
    MGRU,
    DynamicFrameConvolution,
    MFDRConfig,
    PlainGRU,
    SlidingWindowAttention,
)
from merflow.presets.catalogue import presets
from merflow.presets.profiles import shipped_profile
from tests.models.batches import EMOTIONS, SMALL, WIDTH, random_batch, shapes_of
from tests.models.slow import assert_near, sequences, slow_attention

DIMS = 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(17)


def small(**switches: Any) -> MFDRConfig:  # noqa: ANN401 - any field of the config
    return MFDRConfig(**(SMALL["mfdr"] | switches))


def slow_softmax(scores: dict[int, float]) -> dict[int, float]:
    total = sum(math.exp(score) for score in scores.values())
    return {frame: math.exp(score) / total for frame, score in scores.items()}


def slow_strength(weights: dict[int, float]) -> int:
    mean = sum(weights.values()) / max(1, len(weights))
    return sum(weight > mean * (1 + 1e-5) for weight in weights.values())


def slow_windows(scores: list[float], start: int, *, window: int, adaptive: bool) -> dict[int, float]:
    """Compute Algorithm 1 for one word: its weights by frame, for the frames that exist."""

    def softmax_of(*spans: tuple[int, int]) -> dict[int, float]:
        frames = [frame for low, high in spans for frame in range(low, high) if 0 <= frame < len(scores)]
        return slow_softmax({frame: scores[frame] for frame in frames})

    half, end = window // 2, start + window
    weights = softmax_of((start, end))
    if adaptive and slow_strength(weights) >= window / 2:
        weights |= softmax_of((start - half, start), (end, end + half))
        if slow_strength(weights) >= window:
            weights |= softmax_of((start - window, start - half), (end + half, end + window))
    return weights


def slow_start(config: MFDRConfig, position: int, *, words: int, positions: int, frames: int) -> int:
    if config.alignment == "paced":
        return position * config.hop
    last = max(0, frames - config.window)
    if position < words:
        return position * last // max(1, words - 1)
    return (position - words + 1) * last // (positions - words)


def slow_sliding(layer: SlidingWindowAttention, words: Tensor, frames: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """Return z ``(L, D)`` and the weights ``(L, T)`` for all positions, ``count`` of them words, and real frames."""
    config = layer.config
    queries, keys, values = words @ layer.query.weight.T, frames @ layer.key.weight.T, frames @ layer.value.weight.T
    table = torch.zeros(len(words), len(frames), dtype=words.dtype)
    for word, query in enumerate(queries):
        scores = (keys @ query / math.sqrt(len(query))).tolist()
        start = slow_start(config, word, words=count, positions=len(words), frames=len(frames))
        weights = slow_windows(scores, start, window=config.window, adaptive=config.attention == "sawa")
        for frame, weight in weights.items():
            table[word, frame] = weight
    return table @ values, table


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


def slow_gcpu(unit: GCPU, z: Tensor, g: Tensor) -> Tensor:
    """Compute Eq. 1-6 of one utterance, word by word: ``(L, D)``."""
    zr, zz = unit.from_z.weight.chunk(2)
    gr, gg = unit.from_g.weight.chunk(2)
    hz, hg, hu = unit.from_reset.weight.chunk(3)
    zu, gu = unit.from_candidates.weight.chunk(2, dim=1)
    br, bz, bg, bu = unit.bias.chunk(4)
    h, states = torch.zeros_like(z[0]), []
    for step in range(len(z)):
        r = torch.sigmoid(unit.from_h.weight @ h + zr @ z[step] + gr @ g[step] + br)
        candidate_z = torch.tanh(zz @ z[step] + hz @ (r * h) + bz)
        candidate_g = torch.tanh(gg @ g[step] + hg @ (r * h) + bg)
        u = torch.sigmoid(zu @ candidate_z + gu @ candidate_g + hu @ (r * h) + bu)
        h = r * h + u * (candidate_z + candidate_g)
        states.append(h)
    return torch.stack(states)


def slow_mgru(unit: MGRU, z: Tensor, g: Tensor) -> Tensor:
    """Compute GCPU's candidates with a complementary update, word by word."""
    zr, zu, zz = unit.from_z.weight.chunk(3)
    gr, gu, gg = unit.from_g.weight.chunk(3)
    hr, hu = unit.from_h.weight.chunk(2)
    hz, hg = unit.from_reset.weight.chunk(2)
    br, bu, bz, bg = unit.bias.chunk(4)
    h, states = torch.zeros_like(z[0]), []
    for step in range(len(z)):
        r = torch.sigmoid(hr @ h + zr @ z[step] + gr @ g[step] + br)
        u = torch.sigmoid(hu @ h + zu @ z[step] + gu @ g[step] + bu)
        candidate_z = torch.tanh(zz @ z[step] + hz @ (r * h) + bz)
        candidate_g = torch.tanh(gg @ g[step] + hg @ (r * h) + bg)
        h = (1 - u) * h + u * (candidate_z + candidate_g)
        states.append(h)
    return torch.stack(states)


def slow_gru(unit: PlainGRU, z: Tensor, _: Tensor) -> Tensor:
    hidden: Tensor = unit.gru(z)[0]
    return hidden


def slow_unit(unit: nn.Module, z: Tensor, g: Tensor) -> Tensor:
    if isinstance(unit, GCPU):
        return slow_gcpu(unit, z, g)
    if isinstance(unit, MGRU):
        return slow_mgru(unit, z, g)
    assert isinstance(unit, PlainGRU)
    return slow_gru(unit, z, g)


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


def slow_dfc(layer: DynamicFrameConvolution, hidden: Tensor) -> Tensor:
    """Compute Eq. 7-8 of one utterance, position by position: ``(S, D)`` for ``(steps, D)``."""
    drawn, rows = layer.map[0].T, []  # (steps, D)
    assert layer.narrow.bias is not None
    assert layer.widen.bias is not None
    for position in range((len(hidden) - layer.span) // layer.stride + 1):  # Eq. 7
        window = range(position * layer.stride, position * layer.stride + layer.span)
        narrow = torch.stack(
            [
                layer.narrow.bias[c] + sum(layer.narrow.weight[c, :, f] @ drawn[step] for f, step in enumerate(window))
                for c in range(len(layer.narrow.weight))
            ]
        )
        normed = (narrow - narrow.mean()) / torch.sqrt(narrow.var(unbiased=False) + 1e-5)
        active = (normed * layer.norm.weight + layer.norm.bias).clamp(min=0)
        kernel = (layer.widen.weight[..., 0] @ active + layer.widen.bias).view(layer.span, -1)  # Eq. 8
        row = torch.zeros_like(hidden[0])
        for f, step in enumerate(window):
            row = row + kernel[f] * hidden[step]
        rows.append(row)
    return torch.stack(rows)


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


def slow_pool(kind: str, hidden: Tensor, *, stride: int) -> Tensor:
    """Pool ``(L, D)`` in windows of three, channel by channel."""
    pool = max if kind == "max" else statistics.fmean
    windows = [hidden[start : start + 3] for start in range(0, len(hidden) - 2, stride)]
    return torch.stack(
        [torch.tensor([pool(column.tolist()) for column in window.T], dtype=hidden.dtype) for window in windows]
    )


def slow_embedding(model: MFDR, words: Tensor, frames: Tensor) -> Tensor:
    """Return the vector to classify for one utterance's real words and frames."""
    config, count = model.config, len(words)
    words = torch.cat([words, words.new_zeros(config.words - count, words.shape[1])])
    words, frames = model.embed_text(words), model.embed_speech(frames)
    if isinstance(model.combine, SlidingWindowAttention):
        z, _ = slow_sliding(model.combine, words, frames, count=count)
    else:
        assert isinstance(model.combine, Attention)
        z = slow_attention(model.combine, words, frames)
    z = z + words if config.residual else z
    g = model.context.merge(slow_attention(model.context, z, z)) if config.context else z
    hidden = slow_unit(model.unit, z, g)
    for layer, stride in zip(model.refine, config.strides, strict=False):
        if isinstance(layer, DynamicFrameConvolution):
            hidden = slow_dfc(layer, hidden)
        else:
            hidden = slow_pool(config.pooling, hidden, stride=stride)
    return hidden.flatten()


PRESETS = {preset.name: preset.config for preset in presets().values() if preset.model == "mfdr"}


@pytest.mark.parametrize("name", PRESETS)
def test_whole_systems(name: str) -> None:
    config = small(**PRESETS[name])
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS).double().eval()
    batch = random_batch(config.streams(), [40, 1, 22], dtype=torch.float64)
    output: Output = model(batch)
    for position in range(3):
        words, frames = (batch.features[role][position][batch.present[role][position]] for role in ("text", "speech"))
        assert_near(output.embedding[position], slow_embedding(model, words, frames))
    assert_near(output.logits, output.embedding @ model.classify.weight.T + model.classify.bias)
    assert batch.labels is not None
    assert_near(output.loss, -output.logits.softmax(dim=-1)[range(3), batch.labels].log().mean())


def test_presets_are_the_rows_of_table_3_and_two_of_ours() -> None:
    """Each preset differs from ``full`` in one switch."""
    full = MFDRConfig()
    assert full.steps == (50, 24, 8)
    actual = {name: MFDRConfig(**config) for name, config in PRESETS.items()}
    assert actual == {
        "window-10": MFDRConfig(attention="sliwa", window=10),
        "window-30": MFDRConfig(attention="sliwa", window=30),
        "window-50": MFDRConfig(attention="sliwa", window=50),
        "full-size": MFDRConfig(attention="full-size"),
        "no-context": MFDRConfig(context=False),
        "gru": MFDRConfig(unit="gru", context=False),
        "mgru": MFDRConfig(unit="mgru"),
        "max-pool": MFDRConfig(pooling="max"),
        "avg-pool": MFDRConfig(pooling="mean"),
        "no-dfc": MFDRConfig(pooling="none"),
        "full": full,
        "residual": MFDRConfig(residual=True),
        "proportional": MFDRConfig(alignment="proportional"),
    }
    (recipe,) = presets()["mfdr:full"].recipes
    assert (recipe.schedule, recipe.lr, recipe.max_epochs) == ("tenth-after-half", 5e-4, 40)


def test_streams_have_encoders_in_every_profile() -> None:
    streams = MFDRConfig().streams()
    assert streams == (Stream("speech", encoder="wavlm-base", clip_s=5.12), Stream("text", encoder="bert-base"))
    for name in ("lite", "paper", "tiny"):
        for stream in streams:
            assert spec_of(stream, shipped_profile(name).roles).name


def test_what_the_paper_does_not_read_changes_nothing() -> None:
    """The model ignores frames from the 256th and words from the 51st."""
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS).eval()
    longer = random_batch(config.streams(), [260, 270])
    cut = Batch(
        {"speech": longer.features["speech"][:, :255], "text": longer.features["text"][:, :50]},
        {"speech": longer.present["speech"][:, :255], "text": longer.present["text"][:, :50]},
        longer.labels,
        longer.utterance_ids,
    )
    assert torch.equal(model(longer).logits, model(cut).logits)


@pytest.mark.parametrize("name", ["full", "residual", "proportional", "window-30", "full-size"])
def test_a_gradient_reaches_every_frame_that_the_model_reads(name: str) -> None:
    """Frames of 20 ms; the model reads the first 255 of them, whatever the number of words."""
    config = small(**PRESETS[name])
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    words, durations_s = (1, 13, 25, 50, 60), (0.3, 1.0, 3.6, 5.1, 8.0)
    counts: dict[Role, tuple[int, ...]] = {
        "text": words * len(durations_s),
        "speech": tuple(round(duration_s / 0.02) for duration_s in durations_s for _ in words),
    }
    sequence = {role: sequences(list(count), WIDTH) for role, count in counts.items()}
    features = {role: values.float().requires_grad_() for role, (values, _) in sequence.items()}
    present = {role: mask for role, (_, mask) in sequence.items()}
    names = tuple(str(number) for number in range(len(counts["text"])))
    model(Batch(features, present, torch.zeros(len(names), dtype=torch.long), names)).loss.backward()
    assert features["speech"].grad is not None
    heard = features["speech"].grad.abs().sum(dim=-1) > 0
    assert len(heard) == 25
    for row, frames in zip(heard, counts["speech"], strict=True):
        assert row.nonzero().flatten().tolist() == list(range(min(frames, 255)))


def test_scores_are_learned_with_an_absolute_error() -> None:
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), task=SCALES["sentiment"])
    classes = random_batch(config.streams(), [17, 5, 1, 9, 12, 3, 23, 8])
    scores = torch.linspace(-3, 3, 8)
    batch = Batch(classes.features, classes.present, scores, classes.utterance_ids)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        model(batch).loss.backward()
        optimizer.step()
    output: Output = model(batch)
    assert output.logits.shape == (8, 1)
    assert output.losses.keys() == {"l1"}
    torch.testing.assert_close(output.loss, (output.logits[:, 0] - scores).abs().mean())
    assert output.loss.item() < 0.3


def test_what_can_be_looked_at() -> None:
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    batch = random_batch(config.streams(), [20, 4, 30])
    actual = inspect(model, batch)
    assert {name: entry.axes for name, entry in actual.items()} == {
        "combine.show": ("position", "window"),
        "context.attend": ("head", "position", "position"),
    }
    weights = actual["combine.show"].values
    assert weights.shape == (3, 50, 30)
    with_frames = int(batch.present["speech"][0].sum()) // config.hop
    sums = weights[0, :with_frames].sum(dim=-1)
    assert set(sums.round().tolist()) <= {1.0, 2.0, 3.0}
    torch.testing.assert_close(sums, sums.round(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"window": 7}, "window 7 is odd"),
        ({"heads": 5}, "5 heads do not divide dims 256"),
        ({"unit": "gru"}, "choose context false"),
        ({"words": 6}, "6 words are too few"),
        ({"attention": "sliding"}, "attention: Input should be 'sawa', 'sliwa' or 'full-size'"),
    ],
)
def test_switches_that_do_not_fit(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        MODELS["mfdr"].configure(switches)
