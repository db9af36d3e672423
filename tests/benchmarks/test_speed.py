"""Tests that the references of the speed benchmarks compute what merflow computes; small, since no time is measured."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import foal_net, mfdr, real_size, trainer
from benchmarks.random_features import UTTERANCES, RandomUtterances, Some, durations_s, full_presets
from merflow.features.batches.bucketing import sequential_batches
from merflow.models import MODELS
from merflow.models.foal_net import FoalNet, FoalNetConfig
from merflow.models.mfdr import GCPU, SlidingWindowAttention
from tests.models.batches import EMOTIONS

CPU = torch.device("cpu")


def test_foal_nets_straightforward_step_learns_the_same() -> None:
    config = FoalNetConfig(modalities=("speech", "video"), avel=True, mem=True)
    shapes = RandomUtterances(full_presets(["foal-net"])[0], count=1, device=CPU).shapes
    torch.manual_seed(0)
    ours = FoalNet(config, shapes=shapes, task=EMOTIONS)
    plain = foal_net.Straightforward(ours)
    batch = foal_net.random_batch(utterances=3, device=CPU)
    foal_net.check_equal(ours, plain, batch)
    plain.mem_weight *= 2
    with pytest.raises(AssertionError, match="are not close"):
        foal_net.check_equal(ours, plain, batch)


def test_algorithm_1_and_the_equations_of_a_gcpu_are_the_models() -> None:
    torch.manual_seed(0)
    layer = SlidingWindowAttention(mfdr.CONFIG)
    query, key, value = torch.randn(1, 6, 256), torch.randn(1, 40, 256), torch.randn(1, 40, 256)
    present = torch.ones(1, 40, dtype=torch.bool)
    expected = layer.attend(query, key, value, torch.ones(1, 6, dtype=torch.bool), present)
    torch.testing.assert_close(mfdr.word_by_word(query, key, value), expected, atol=1e-5, rtol=1e-5)
    unit = GCPU(dims=8)
    z, g = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    torch.testing.assert_close(mfdr.step_by_step(unit, z, g), unit(z, g), atol=1e-6, rtol=1e-5)


def test_products_alone_are_those_of_the_equations() -> None:
    unit = GCPU(dims=8)
    z, g = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    counts = []
    for run in (partial(mfdr.step_by_step, unit), partial(mfdr.products_alone, unit, backward=False)):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            run(z, g)
        counts.append(counter.get_total_flops())
    # z and g enter r and a candidate each, h enters r, r * h two candidates and u, and two candidates enter u.
    assert counts == [2 * (2 * 5) * 8 * 8 * (2 + 2 + 1 + 3 + 2)] * 2
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        mfdr.products_alone(unit, z, g, backward=True)
    assert counter.get_total_flops() == 3 * counts[0]


def test_random_utterances_have_the_corpus_lengths() -> None:
    seconds = durations_s(UTTERANCES)
    assert np.median(seconds) == pytest.approx(3.576, abs=0.01)
    presets = full_presets()
    assert [preset.model for preset in presets] == list(MODELS)
    source = RandomUtterances(presets[-1], count=20, device=CPU)
    some = Some(source, [3, 1, 7])
    batch, whole = some.batch([2, 0]), source.batch([7, 3])
    for role, values in batch.features.items():
        assert torch.equal(values, whole.features[role])
        assert values.isfinite().all()
        assert not values[~batch.present[role]].any()
        assert batch.present[role].sum(dim=1).tolist() == source.steps[role][[7, 3]].tolist()
    assert batch.labels is not None
    assert batch.labels.tolist() == source.labels[[7, 3]].tolist()
    assert some.lengths.tolist() == source.lengths[[3, 1, 7]].tolist()


def test_the_trainers_figures_are_of_one_batch_of_the_median_length() -> None:
    preset = full_presets(["mfdr"])[0]
    figures = trainer.measured(preset, steps=1, rounds=1)
    # 32 utterances of about 3.576 s: frames of WavLM-base, and tokens of BERT-base, four bytes each of 768 values.
    assert figures["batch_mib"] == pytest.approx(32 * (178 + 13) * 768 * 4 / 2**20, rel=0.02)
    assert figures["step_ms"] > 0
    assert figures["loop_overhead"] > -1
    assert 0 < figures["writing_alone"] < 1
    assert "gpu_busy" not in figures


def test_a_pass_is_interpolated_by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpolation loses nothing if the seconds of a batch are proportional to its steps."""
    monkeypatch.setattr(real_size, "seconds", lambda work, _device: float(work()))
    source = RandomUtterances(full_presets(["mfdr"])[0], count=300, device=CPU)
    seen: list[int] = []

    def steps(some: Some) -> int:
        seen.append(int(some.lengths.max()))
        return seen[-1]

    found = real_size.pass_cost(source, count=300, batch_size=10, points=3, work=steps)
    batches = sequential_batches(source.lengths, batch_size=10)
    assert found.seconds == pytest.approx(sum(int(source.lengths[batch].max()) for batch in batches))
    assert found.operations == 0
    assert len(seen) == 6, "three to count operations, three that take time"


def test_operations_of_a_gcpu_are_counted() -> None:
    unit = GCPU(dims=8)
    z, g = (torch.randn(2, 5, 8, requires_grad=True) for _ in range(2))
    parameters = tuple(unit.parameters())
    ways = (mfdr.Way(unit.forward, parameters), mfdr.Way(partial(mfdr.step_by_step, unit), parameters))
    ours, stepped = (real_size.counted(mfdr.step_of(way, (z, g))) for way in ways)
    assert ours == stepped
    # The zeros before the first word need no gradient.
    assert ours == 3 * 2 * (2 * 5) * 8 * 8 * 10 - 2 * 2 * 8 * 8
