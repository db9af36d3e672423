"""The equations and blocks of GIA-MIC against slow loops in float64."""

import math
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output
from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Stream
from merflow.errors import PresetError
from merflow.models import MODELS
from merflow.models.gia_mic import (
    GIAMIC,
    GatedAttention,
    GIAMICConfig,
    InvariantGenerator,
    Joint,
    Sequences,
    Source,
    SpecificRepresentations,
    interpolated,
    invariance_loss,
)
from merflow.models.layers import WholeBatch, inspect
from merflow.presets.catalogue import preset
from merflow.presets.profiles import shipped_profile
from tests.models.batches import EMOTIONS, SMALL, garbled, random_batch, shapes_of
from tests.models.slow import assert_near, sequences, slow_attention

DIMS = 6
VST: tuple[Source, ...] = ("video", "speech", "text")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(11)


def small(**switches: Any) -> GIAMICConfig:  # noqa: ANN401 - any field of the config
    return GIAMICConfig(**({"modalities": VST} | SMALL["gia-mic"] | switches))


def slow_norm(norm: nn.LayerNorm, row: Tensor) -> Tensor:
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    return torch.stack([(value - mean) / (variance + norm.eps) ** 0.5 for value in row]) * norm.weight + norm.bias


def sigmoid(values: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-values))


def slow_gated(direction: GatedAttention, target: Tensor, source: Tensor) -> Tensor:
    """Compute Eq. 2-4 of one utterance: A ``(T, H)`` takes from B ``(S, H)``, which has at least one step."""
    attended = slow_attention(direction.attention, target, source)
    mean = sum(attended, torch.zeros(len(target[0]))) / len(attended)
    gate = sigmoid(direction.gate.weight @ slow_norm(direction.norm, mean) + direction.gate.bias)
    return torch.stack([gate * attended[t] + (1 - gate) * target[t] for t in range(len(target))])


@pytest.mark.parametrize(("targets", "sources"), [([4, 2, 1], [3, 5, 1]), ([1], [1]), ([1], [6]), ([5, 3], [1, 1])])
def test_gated_attention(targets: list[int], sources: list[int]) -> None:
    direction = GatedAttention(dims=DIMS, target="video", source="speech").double()
    (target, here), (source, there) = sequences(targets, DIMS), sequences(sources, DIMS)
    actual = direction(target, source, target_present=here, source_present=there)
    for position, (steps, seen) in enumerate(zip(targets, sources, strict=True)):
        assert_near(actual[position, :steps], slow_gated(direction, target[position, :steps], source[position, :seen]))


def test_the_gate_is_shut_towards_an_absent_modality() -> None:
    direction = GatedAttention(dims=DIMS, target="video", source="speech").double()
    (target, here), (source, there) = sequences([3, 3], DIMS), sequences([0, 2], DIMS)
    actual = direction(target, source, target_present=here, source_present=there)
    assert torch.equal(actual[0], target[0])
    assert bool((actual[1] - target[1]).abs().max() > 1e-3)


@pytest.mark.parametrize("modalities", [VST, ("speech", "text"), ("video", "text")])
def test_specific_representations(modalities: tuple[Source, ...]) -> None:
    module = SpecificRepresentations(dims=DIMS, modalities=modalities).double()
    lengths = {"video": [3, 1], "speech": [5, 2], "text": [1, 4]}
    made = {source: sequences(lengths[source], DIMS) for source in modalities}
    states, present = ({source: pair[part] for source, pair in made.items()} for part in (0, 1))
    actual = module(Sequences(states, present))
    assert len(module.directions) == len(modalities) * (len(modalities) - 1)
    for position in range(2):
        real = {source: states[source][position, : lengths[source][position]] for source in modalities}
        for target in modalities:
            total = torch.zeros_like(real[target])
            for source in modalities:
                if source != target:
                    direction = module.directions[f"{target}_from_{source}"]
                    assert isinstance(direction, GatedAttention)
                    total = total + slow_gated(direction, real[target], real[source])
            assert_near(actual.states[target][position, : lengths[target][position]], total)


def test_joint_sequences_have_no_gaps() -> None:
    made = [sequences(lengths, DIMS) for lengths in ([3, 1, 0], [2, 4, 0], [1, 2, 2])]
    joint = Joint.of([mask for _, mask in made])
    actual = joint.join([values for values, _ in made])
    assert joint.present.sum(dim=1).tolist() == [6, 7, 2]
    for position in range(3):
        real = torch.cat([values[position][mask[position]] for values, mask in made])
        assert joint.present[position].tolist() == [step < len(real) for step in range(9)]
        assert torch.equal(actual[position, : len(real)], real)


@pytest.mark.parametrize("lengths", [[6, 5, 2, 1], [7, 4, 3], [1], [2]])
def test_interpolation_is_linear_between_half_steps(lengths: list[int]) -> None:
    _, present = sequences(lengths)
    halved = torch.randn(len(lengths), (present.shape[1] + 1) // 2, DIMS, dtype=torch.float64)
    actual = interpolated(halved, present)
    assert actual.shape[1] == present.shape[1]
    for position, length in enumerate(lengths):
        last = (length + 1) // 2 - 1
        for step in range(length):
            before, after = math.floor(step / 2), min(last, math.ceil(step / 2))
            share = step / 2 - before
            assert_near(
                actual[position, step], (1 - share) * halved[position, before] + share * halved[position, after]
            )


def slow_generated(block: InvariantGenerator, joint: Tensor, overall: Tensor, specific: Tensor) -> Tensor:
    """Compute Eq. 9-11 of one utterance without padding: ``(J, H)`` for joint and overall ``(J, H)`` and ``(S, H)``."""
    linear, slope = block.mask[0], block.mask[1]
    assert isinstance(linear, nn.Linear)
    assert isinstance(slope, nn.PReLU)
    bias = block.convolve.bias
    assert bias is not None
    shared = slow_attention(block.attention, joint, specific)
    filtered = []
    for step in range(len(joint)):
        channels = linear.weight @ torch.cat([overall[step], joint[step]]) + linear.bias
        filtered.append(shared[step] * sigmoid(torch.where(channels > 0, channels, slope.weight * channels)))
    halved = []
    for middle in range(0, len(joint), 2):
        total = bias
        for tap in range(3):
            if 0 <= middle + tap - 1 < len(joint):
                total = total + block.convolve.weight[:, :, tap] @ filtered[middle + tap - 1]
        halved.append(total)
    rows = []
    for step in range(len(joint)):
        before, after = halved[step // 2], halved[min((step + 1) // 2, len(halved) - 1)]
        rows.append(slow_norm(block.norm, joint[step] + 0.5 * (before + after)))
    return torch.stack(rows)


@pytest.mark.parametrize(
    "lengths",
    [
        {"video": [4, 1, 2], "speech": [5, 2, 7], "text": [1, 3, 1]},  # joint lengths 10, 6 and 10
        {"video": [3, 2], "speech": [1, 4], "text": [1, 1]},  # 5 and 7
        {"video": [1], "speech": [1], "text": [1]},
    ],
)
def test_invariant_generator(lengths: dict[Source, list[int]]) -> None:
    block = InvariantGenerator(dims=DIMS, source="speech").double()
    states = {source: sequences(steps, DIMS) for source, steps in lengths.items()}
    specific = {source: torch.randn_like(values) for source, (values, _) in states.items()}
    steps = Joint.of([mask for _, mask in states.values()])
    joint, overall = steps.join([values for values, _ in states.values()]), steps.join(specific.values())
    actual, mean = block(
        joint,
        torch.cat([overall, joint], dim=-1),
        specific["speech"],
        present=steps.present,
        source=states["speech"][1],
    )
    for position in range(len(actual)):
        count = {source: steps[position] for source, steps in lengths.items()}
        expected = slow_generated(
            block,
            torch.cat([values[position, : count[source]] for source, (values, _) in states.items()]),
            torch.cat([values[position, : count[source]] for source, values in specific.items()]),
            specific["speech"][position, : count["speech"]],
        )
        assert_near(actual[position, : len(expected)], expected)
        assert_near(mean[position], sum(expected, torch.zeros(DIMS)) / len(expected))


def slow_divergence(m: Tensor, n: Tensor) -> float:
    """Compute Eq. 14-15 of one step, number by number."""
    p = [math.exp(value) / sum(math.exp(other) for other in m.tolist()) for value in m.tolist()]
    q = [math.exp(value) / sum(math.exp(other) for other in n.tolist()) for value in n.tolist()]
    forth = sum(one * math.log(one / other) for one, other in zip(p, q, strict=True))
    back = sum(other * math.log(other / one) for one, other in zip(p, q, strict=True))
    return 0.5 * (forth + back)


def mic(invariants: list[Tensor], present: list[Tensor]) -> Tensor:
    return invariance_loss(invariants, present, WholeBatch())


@pytest.mark.parametrize("modalities", [2, 3])
@pytest.mark.parametrize("lengths", [[4, 2, 1], [1], [3, 0]])
def test_invariance_loss(modalities: int, lengths: list[int]) -> None:
    _, present = sequences(lengths)
    invariants = [torch.randn(*present.shape, DIMS, dtype=torch.float64) for _ in range(modalities)]
    expected = 0.0
    for m in range(modalities):
        for n in range(m):
            steps = [
                slow_divergence(invariants[m][position, step], invariants[n][position, step])
                for position, length in enumerate(lengths)
                for step in range(length)
            ]
            expected += sum(steps) / len(steps)
    actual = mic(invariants, [present] * modalities)
    assert_near(actual, torch.tensor(expected, dtype=torch.float64))


def test_invariance_loss_leaves_out_the_pairs_of_an_absent_modality() -> None:
    _, present = sequences([4, 3])
    video, speech, text = (torch.randn(2, 4, DIMS, dtype=torch.float64) for _ in VST)
    silent = present & torch.tensor([[True], [False]])
    actual = mic([video, speech, text], [present, silent, present])
    with_speech = [mic([speech[:1], other[:1]], [present[:1]] * 2) for other in (video, text)]
    assert_near(actual, sum(with_speech, mic([video, text], [present] * 2)))
    assert mic([video, speech], [present, present & False]).item() == 0


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 100.0])
def test_invariance_loss_is_never_negative_and_zero_for_equals(scale: float) -> None:
    same = torch.randn(3, 5, 16)
    present = torch.ones(3, 5, dtype=torch.bool)
    other = same + scale * torch.randn_like(same)
    assert mic([same, same.clone(), same.clone()], [present] * 3).item() == 0
    assert mic([same, other], [present] * 2).item() >= 0
    if scale >= 1:
        assert mic([same, other], [present] * 2).item() > 0.01


def in_double(config: GIAMICConfig) -> GIAMIC:
    return GIAMIC(config, shapes=shapes_of(config.streams()), task=EMOTIONS).double().eval()


def preliminary(model: GIAMIC, batch: Batch) -> Sequences:
    present: dict[Source, Tensor] = {source: batch.present[source] for source in model.config.modalities}
    return Sequences(
        {source: model.extractors[source](batch.features[source], mask) for source, mask in present.items()}, present
    )


@pytest.mark.parametrize(
    "switches", [{}, {"msr": False}, {"mir": False}, {"modalities": ("video", "text")}, {"mic_weight": 0.0}], ids=str
)
def test_fusion_and_loss(switches: dict[str, Any]) -> None:
    """Compute Eq. 7-8, 12-13 and 16-19, with everything concatenated step by step."""
    config = small(**switches)
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 1, 6], dtype=torch.float64)
    output: Output = model(batch)
    begun = preliminary(model, batch)
    assert model.interact is not None
    specific = model.interact.specific(begun).states if config.msr else begun.states
    divergences, steps = 0.0, 0
    for position in range(3):
        real = {source: mask[position] for source, mask in begun.present.items()}
        joint = torch.cat([begun.states[source][position][mask] for source, mask in real.items()])
        overall = torch.cat([specific[source][position][mask] for source, mask in real.items()])
        invariants = []
        for source in config.modalities if config.mir else ():
            block = model.interact.generators[source]
            assert isinstance(block, InvariantGenerator)
            invariants.append(slow_generated(block, joint, overall, specific[source][position][real[source]]))
        assert_near(output.embedding[position], torch.cat([overall, *invariants]).mean(dim=0))
        for m, n in combinations(invariants, 2):
            divergences += sum(slow_divergence(m[step], n[step]) for step in range(len(joint)))
        steps += len(joint)
    assert_near(output.logits, model.classify(output.embedding))
    assert batch.labels is not None
    likelihood = output.logits.softmax(dim=-1)[range(3), batch.labels].log().mean()
    if not config.mir or not config.mic_weight:
        assert output.losses.keys() == {"ce"}
        assert_near(output.loss, -likelihood)
        return
    assert divergences > 0
    assert_near(output.loss, -likelihood + 0.1 * divergences / steps)


def test_the_baseline_concatenates_means() -> None:
    config = small(modalities=("speech", "text"), system="baseline")
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 1, 6], dtype=torch.float64)
    output: Output = model(batch)
    states, present = preliminary(model, batch)
    for position in range(3):
        means = [states[source][position][present[source][position]].mean(dim=0) for source in config.modalities]
        assert_near(output.embedding[position], torch.cat(means))
    assert output.losses.keys() == {"ce"}


def test_padding_between_modalities_changes_nothing_at_all() -> None:
    config = small()
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 1, 6, 3], dtype=torch.float64)
    together = model(batch)
    extras: list[dict[Any, int]] = [{"video": 1}, {"speech": 2}, {"video": 3, "speech": 1, "text": 2}]
    for extra in extras:
        padded = model(garbled(batch, extra_steps=extra))
        assert_near(padded.logits, together.logits)
        assert_near(padded.loss, together.loss)


def test_what_an_absent_modality_leaves() -> None:
    """Without words, the pooled vector is the mean of the overall MSR and the other two modalities' invariants."""
    config = small()
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 2, 6], dtype=torch.float64)
    batch.present["text"][0] = False
    actual = inspect(model, batch)
    assert not actual["interact.specific.directions.video_from_text.opening"].values[0].any()
    assert bool((actual["interact.specific.directions.video_from_speech.opening"].values[0] > 0).all())
    assert model.interact is not None
    specific, present = model.interact.specific(preliminary(model, batch))
    real = [specific[source][0][present[source][0]] for source in VST[:2]]
    means = [actual[f"interact.generators.{source}.mean"].values[0].double() for source in VST[:2]]
    expected = (torch.cat(real).mean(dim=0) + sum(means)) / 3
    torch.testing.assert_close(model(batch).embedding[0], expected, atol=1e-5, rtol=0)


def test_what_can_be_looked_at() -> None:
    config = small()
    model = GIAMIC(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    actual = inspect(model, random_batch(config.streams(), [4, 2, 6]))
    axes = {name: entry.axes for name, entry in actual.items()}
    gates = [name for name in axes if name.endswith(".opening")]
    assert len(gates) == 6
    assert all(axes[name] == ("feature",) for name in gates)
    assert all(bool(((actual[name].values > 0) & (actual[name].values < 1)).all()) for name in gates)
    assert axes["interact.specific.directions.text_from_speech.attention.attend"] == ("head", "text", "speech")
    assert axes["interact.generators.speech.attention.attend"] == ("head", "joint", "speech")
    assert actual["interact.generators.video.mean"].values.shape == (3, config.dims)
    assert axes["interact.generators.video.mean"] == ("invariant",)


def test_an_encoder_of_the_models_width_needs_no_map() -> None:
    config = small(dims=12)
    model = GIAMIC(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    assert not [name for name, _ in model.named_parameters() if name.endswith("project.weight")]


def test_streams_are_the_papers_and_every_profile_has_them() -> None:
    config = GIAMICConfig(modalities=VST, transcripts="asr")
    assert config.streams() == (
        Stream("video", clip_s=6.0, encoder="clip-vit-large"),
        Stream("speech", clip_s=6.0, encoder="wavlm-large"),
        Stream("text", encoder="roberta-base", transcript="asr"),
    )
    for name in ("lite", "paper", "tiny"):
        for stream in config.streams():
            assert spec_of(stream, shipped_profile(name).roles).name


def test_only_one_preset_reads_recognized_words() -> None:
    names = ["full", "full-asr", "st", "t"]
    configs = [MODELS["gia-mic"].configure(preset(f"gia-mic:{name}").config) for name in names]
    words = [[stream.transcript for stream in config.streams() if stream.role == "text"] for config in configs]
    assert words == [["truth"], ["asr"], ["truth"], ["truth"]]


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"modalities": ["speech"]}, "speech alone has nothing to interact with"),
        ({"modalities": []}, "at least one"),
        ({"modalities": ["text", "text"]}, "none twice"),
        ({"modalities": ["speech", "text"], "heads": 5}, "5 heads do not divide dims 768"),
        ({"modalities": ["sound", "text"]}, "modalities.0: Input should be 'video', 'speech' or 'text'"),
    ],
)
def test_switches_that_do_not_fit(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        MODELS["gia-mic"].configure(switches)
