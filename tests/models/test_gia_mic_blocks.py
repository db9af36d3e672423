"""The blocks and the invariance loss of GIA-MIC against slow loops in float64."""

import math

import pytest
import torch
from torch import Tensor

from merflow.models.gia_mic import (
    GatedAttention,
    InvariantGenerator,
    Joint,
    Sequences,
    Source,
    SpecificRepresentations,
    interpolated,
    invariance_loss,
)
from merflow.models.layers import WholeBatch
from tests.models.slow import assert_near, sequences
from tests.models.slow_gia_mic import DIMS, VST, slow_divergence, slow_gated, slow_generated


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(11)


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
