"""The paper's equations, Algorithm 1 and blocks against slow loops, in float64."""

import math
import statistics
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output
from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Stream
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
    gcpu,
    gcpu_back,
    window_pool,
)
from merflow.presets.catalogue import presets, profile
from tests.models.batches import CLASSES, SMALL, random_batch, shapes_of
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
    """Algorithm 1 for one word: its weights by frame, of the frames that there are."""

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


def slow_start(config: MFDRConfig, word: int, *, words: int, frames: int) -> int:
    if config.alignment == "paced":
        return word * config.hop
    return word * max(0, frames - config.window) // max(1, words - 1)


def slow_sliding(layer: SlidingWindowAttention, words: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """One utterance's real words and frames to z ``(L, D)``, and the weights ``(L, T)``."""
    config = layer.config
    queries, keys, values = words @ layer.query.weight.T, frames @ layer.key.weight.T, frames @ layer.value.weight.T
    table = torch.zeros(len(words), len(frames), dtype=words.dtype)
    for word, query in enumerate(queries):
        scores = (keys @ query / math.sqrt(len(query))).tolist()
        start = slow_start(config, word, words=len(words), frames=len(frames))
        found = slow_windows(scores, start, window=config.window, adaptive=config.attention == "sawa")
        for frame, weight in found.items():
            table[word, frame] = weight
    return table @ values, table


SIZES = [
    ([50], [255]),
    ([50, 12, 3], [255, 61, 40]),
    ([33, 1, 17], [100, 30, 9]),  # the last is shorter than a window
    ([4, 1, 2], [1, 1, 0]),
    ([16], [95]),
    ([100, 7], [513, 60]),
    ([113], [600]),
    ([128], [660]),
    ([20], [514]),
]


@pytest.mark.parametrize("alignment", ["paced", "proportional"])
@pytest.mark.parametrize(("attention", "window"), [("sawa", 10), ("sawa", 4), ("sliwa", 10), ("sliwa", 30)])
@pytest.mark.parametrize(("words", "frames"), SIZES, ids=str)
def test_sliding_windows(words: list[int], frames: list[int], attention: str, window: int, alignment: str) -> None:
    config = small(dims=DIMS, attention=attention, window=window, hop=window // 2, alignment=alignment)
    layer = SlidingWindowAttention(config).double()
    said, spoken = sequences(words, DIMS)
    heard, present = sequences(frames, DIMS)
    found = layer(2 * said, 2 * heard, spoken, present)
    for place, (count, steps) in enumerate(zip(words, frames, strict=True)):
        expected, _ = slow_sliding(layer, 2 * said[place, :count], 2 * heard[place, :steps])
        assert_near(found[place, :count], expected)


def test_windows_widen_once_and_twice() -> None:
    """Values that name their frame make z the weights: rows sum to 1, 2 or 3, over w, 2 w and 3 w frames."""
    layer = SlidingWindowAttention(small(dims=DIMS)).double()
    frames = 255
    query, key = torch.randn(4, 50, DIMS).double(), torch.randn(4, frames, DIMS).double()
    present, spoken = torch.ones(4, frames, dtype=torch.bool), torch.ones(4, 50, dtype=torch.bool)
    weights = layer.attend(query, key, torch.eye(frames).double().expand(4, -1, -1), spoken, present)
    inner = weights[:, 2:-3]  # words whose frames are all there
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
    present, spoken = torch.ones(1, 255, dtype=torch.bool), torch.ones(1, 50, dtype=torch.bool)
    alike = torch.ones(1, 255, DIMS)
    weights = layer.attend(torch.randn(1, 50, DIMS), alike, torch.eye(255).expand(1, -1, -1), spoken, present)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 50))


def test_proportional_windows_are_the_papers_where_its_lengths_are() -> None:
    """255 frames and 50 words: each window starts 5 frames behind the one before, on either path."""
    paced = SlidingWindowAttention(small(dims=DIMS)).double()
    proportional = SlidingWindowAttention(small(dims=DIMS, alignment="proportional")).double()
    proportional.load_state_dict(paced.state_dict())
    said, spoken = sequences([50, 50], DIMS)
    heard, present = sequences([255, 255], DIMS)
    made = [layer(said, heard, spoken, present) for layer in (paced, proportional)]
    assert_near(made[0], made[1])


def slow_gcpu(unit: GCPU, z: Tensor, g: Tensor) -> Tensor:
    """Eq. 1-6 of one utterance, word by word: ``(L, D)``."""
    zr, zz = unit.from_z.weight.chunk(2)
    gr, gg = unit.from_g.weight.chunk(2)
    hz, hg, hu = unit.from_kept.weight.chunk(3)
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
    """GCPU's candidates with a complementary update, word by word."""
    zr, zu, zz = unit.from_z.weight.chunk(3)
    gr, gu, gg = unit.from_g.weight.chunk(3)
    hr, hu = unit.from_h.weight.chunk(2)
    hz, hg = unit.from_kept.weight.chunk(2)
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
    found = unit(z, g)
    for place, count in enumerate(words):
        assert_near(found[place, :count], slow_unit(unit, z[place, :count], g[place, :count]))


def gcpu_inputs(steps: int, count: int) -> tuple[Tensor, ...]:
    """z, g, the bias, and the five weights."""
    weights = ((2 * DIMS, DIMS), (2 * DIMS, DIMS), (DIMS, DIMS), (3 * DIMS, DIMS), (DIMS, 2 * DIMS))
    sizes = ((steps, count, DIMS), (steps, count, DIMS), (4 * DIMS,), *weights)
    return tuple(torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes)


@pytest.mark.parametrize(("steps", "count"), [(4, 2), (1, 2)])
def test_gradient_of_a_gcpu(steps: int, count: int) -> None:
    def states(z: Tensor, g: Tensor, bias: Tensor, *weights: Tensor) -> Tensor:
        hidden: Tensor = gcpu(z, g, bias, list(weights))[0]
        return hidden

    assert torch.autograd.gradcheck(states, gcpu_inputs(steps, count))


def test_gradients_of_a_gcpu_are_those_of_the_equations() -> None:
    unit = GCPU(dims=DIMS).double()
    z, g = (torch.randn(1, 7, DIMS, dtype=torch.float64, requires_grad=True) for _ in range(2))
    direction = torch.randn(1, 7, DIMS, dtype=torch.float64)
    wanted = [z, g, *unit.parameters()]
    found = torch.autograd.grad((unit(z, g) * direction).sum(), wanted)
    expected = torch.autograd.grad((slow_gcpu(unit, z[0], g[0]) * direction[0]).sum(), wanted)
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other)


def test_gcpu_is_a_whole_operator() -> None:
    """Its schema, gradient and shapes hold for compilers."""
    z, g, bias, *weights = gcpu_inputs(3, 2)
    torch.library.opcheck(
        gcpu,
        (z, g, bias, weights),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )
    hidden, _, gates = (state.detach() for state in gcpu(z, g, bias, weights))
    backward = (hidden, hidden, gates, [weight.detach() for weight in weights])
    torch.library.opcheck(gcpu_back, backward, test_utils=("test_schema", "test_faketensor"))


def test_nothing_breaks_a_compilers_graph() -> None:
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), classes=CLASSES).eval()
    batch = random_batch(config.streams(), [40, 100, 7])
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(batch).logits, model(batch).logits)


def slow_dfc(layer: DynamicFrameConvolution, hidden: Tensor) -> Tensor:
    """Eq. 7-8 of one utterance: ``(steps, D)`` to ``(S, D)``, place by place."""
    drawn, rows = layer.map[0].T, []  # (steps, D)
    assert layer.narrow.bias is not None
    assert layer.widen.bias is not None
    for place in range((len(hidden) - layer.span) // layer.stride + 1):  # Eq. 7
        window = range(place * layer.stride, place * layer.stride + layer.span)
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
    found = layer(hidden)
    assert found.shape[1] == left
    for place in range(3):
        assert_near(found[place], slow_dfc(layer, hidden[place]))


def slow_pool(kind: str, hidden: Tensor, *, steps: int, stride: int) -> Tensor:
    """Pools the words that there are ``(L, D)``, in windows of all places: ``(S, D)``, and no rows past the words."""
    rows = []
    for place in range((steps - 3) // stride + 1):
        window = hidden[place * stride : place * stride + 3]
        if len(window):
            pool = max if kind == "max" else statistics.fmean
            rows.append(torch.tensor([pool(column.tolist()) for column in window.T], dtype=hidden.dtype))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", ["max", "mean"])
@pytest.mark.parametrize("words", [[50, 4, 3, 1], [2]], ids=str)
def test_pooling(kind: str, words: list[int]) -> None:
    values, present = sequences([*words, 50], DIMS)
    found, real = window_pool(kind, values, present, span=3, stride=2)
    for place, count in enumerate(words):
        expected = slow_pool(kind, values[place, :count], steps=50, stride=2)
        assert_near(found[place, : len(expected)], expected)
        assert real[place].tolist() == [row < len(expected) for row in range(24)]
        assert not found[place, len(expected) :].any()


def slow_embedding(model: MFDR, words: Tensor, frames: Tensor) -> Tensor:
    """One utterance's real words and frames to what is classified."""
    config = model.config
    words, frames = model.embed_text(words), model.embed_speech(frames)
    if isinstance(model.combine, SlidingWindowAttention):
        z, _ = slow_sliding(model.combine, words, frames)
    else:
        assert isinstance(model.combine, Attention)
        z = slow_attention(model.combine, words, frames)
    z = z + words if config.residual else z
    g = model.context.merge(slow_attention(model.context, z, z)) if config.context else z
    hidden = slow_unit(model.unit, z, g)
    steps = torch.zeros(config.steps[-1], config.dims, dtype=words.dtype)
    if config.pooling in ("max", "mean"):
        for steps_in, stride in zip(config.steps, config.strides, strict=False):
            hidden = slow_pool(config.pooling, hidden, steps=steps_in, stride=stride)
    elif config.pooling == "dfc":
        hidden = torch.cat([hidden, hidden.new_zeros(config.words - len(hidden), config.dims)])
        for layer in model.refine:
            assert isinstance(layer, DynamicFrameConvolution)
            hidden = slow_dfc(layer, hidden)
    steps[: len(hidden)] = hidden
    return steps.flatten()


PRESETS = {preset.name: preset.config for preset in presets().values() if preset.model == "mfdr"}


@pytest.mark.parametrize("name", PRESETS)
def test_whole_systems(name: str) -> None:
    config = small(**PRESETS[name])
    model = MFDR(config, shapes=shapes_of(config.streams()), classes=CLASSES).double().eval()
    batch = random_batch(config.streams(), [40, 1, 22], dtype=torch.float64)
    output: Output = model(batch)
    for place in range(3):
        words, frames = (batch.features[role][place][batch.present[role][place]] for role in ("text", "speech"))
        assert_near(output.embedding[place], slow_embedding(model, words, frames))
    assert_near(output.logits, output.embedding @ model.classify.weight.T + model.classify.bias)
    assert batch.labels is not None
    assert_near(output.loss, -output.logits.softmax(dim=-1)[range(3), batch.labels].log().mean())


def test_presets_are_the_rows_of_table_3_and_the_text() -> None:
    """Each differs from the whole in one thing."""
    full = MFDRConfig()
    assert full.steps == (50, 24, 8)
    found = {name: MFDRConfig(**config) for name, config in PRESETS.items()}
    assert found == {
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
        "as-written": MFDRConfig(residual=False),
    }
    (recipe,) = presets()["mfdr:full"].recipes
    assert (recipe.schedule, recipe.lr, recipe.max_epochs) == ("tenth-after-half", 5e-4, 40)


def test_streams_have_encoders_in_every_profile() -> None:
    streams = MFDRConfig().streams()
    assert streams == (Stream("speech", encoder="wavlm-base", clip_s=5.12), Stream("text", encoder="bert-base"))
    for name in ("lite", "paper", "tiny"):
        for stream in streams:
            assert spec_of(stream, profile(name)).name


def test_what_the_paper_does_not_read_changes_nothing() -> None:
    """Frames from the 256th and words from the 51st."""
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), classes=CLASSES).eval()
    longer = random_batch(config.streams(), [260, 270])
    cut = Batch(
        {"speech": longer.features["speech"][:, :255], "text": longer.features["text"][:, :50]},
        {"speech": longer.present["speech"][:, :255], "text": longer.present["text"][:, :50]},
        longer.labels,
        longer.utterance_ids,
    )
    assert torch.equal(model(longer).logits, model(cut).logits)


def test_scores_are_learned_with_an_absolute_error() -> None:
    config = small(target="score")
    model = MFDR(config, shapes=shapes_of(config.streams()), classes=CLASSES)
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
    model = MFDR(config, shapes=shapes_of(config.streams()), classes=CLASSES)
    batch = random_batch(config.streams(), [20, 4, 30])
    found = inspect(model, batch)
    assert {name: entry.axes for name, entry in found.items()} == {
        "combine.show": ("text", "window"),
        "context.attend": ("head", "text", "text"),
    }
    weights = found["combine.show"].values
    assert weights.shape == (3, 30, 30)
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
