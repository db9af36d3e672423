"""Losses that compare utterances across a batch that two processes share."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from merflow.contracts.batch import Output
from merflow.contracts.streams import Stream
from merflow.inference.ranks import ALONE, Ranks
from merflow.models import MODELS, ModelConfig
from merflow.models.layers import WholeBatch
from merflow.training.whole_batch import rows_of_all, span_processes
from tests.models.batches import EMOTIONS, SMALL, pick, random_batch, shapes_of
from tests.models.slow import assert_near

# Shares of unequal size. Each process pads its own share, so that their steps differ in number, too.
SHARES = ([0, 1, 2, 3], [4, 5, 6])
LENGTHS = [3, 7, 2, 4, 5, 9, 1]
SWITCHES = {
    "foal-net": {"modalities": ("speech", "video"), "avel": True, "mem": True, "dropout": 0, "projection_dropout": 0},
    "gia-mic": {"modalities": ("video", "speech", "text"), "dropout": 0},
}
TERMS = {"foal-net": ("avel", "mem"), "gia-mic": ("mic",)}

Measured = tuple[Tensor, dict[str, Tensor]]


def config_of(name: str) -> ModelConfig:
    return MODELS[name].configure(SMALL[name] | SWITCHES[name])


def joint_terms(name: str, rows: list[int], ranks: Ranks) -> Measured:
    """Return the joint loss terms of these utterances in training, and their gradients by parameter."""
    config = config_of(name)
    streams: tuple[Stream, ...] = config.streams()
    torch.manual_seed(2)
    model: nn.Module = MODELS[name].model(config, shapes=shapes_of(streams), task=EMOTIONS).double().train()
    span_processes(model, ranks)
    batch = random_batch(streams, LENGTHS, dtype=torch.float64)
    batch.present["video"][4] = False
    batch = replace(batch, labels=torch.tensor([0, 1, 1, 3, 2, 0, 1]))
    output: Output = model(pick(batch, rows, streams=streams))
    assert [term for term, each in output.losses.items() if each.joint] == list(TERMS[name])
    values = torch.stack([output.losses[term].value for term in TERMS[name]])
    values.sum().backward()  # type: ignore[no-untyped-call]
    gradients = {key: value.grad for key, value in model.named_parameters() if value.grad is not None}
    return values.detach(), gradients


def ragged(rank: int) -> tuple[Tensor, ...]:
    """Return rows of numbers, flags and sequences: two of one process, three of the other, of unequal steps."""
    count = 2 + rank
    numbers = torch.arange(count) + 10 * rank
    sequences = torch.full((count, 3 - rank, 2), rank + 1.0, requires_grad=True)
    return numbers, numbers % 2 == 0, sequences


def in_a_process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    ranks = Ranks(rank, 2)
    sums = {}
    for name in SWITCHES:
        values, gradients = joint_terms(name, SHARES[rank], ranks)
        for value in (values, *gradients.values()):
            dist.all_reduce(value)
        sums[name] = (values, gradients)
    numbers, flags, sequences = ragged(rank)
    rows = rows_of_all((numbers, flags, sequences), ranks=ranks)
    (rows[2] * (torch.arange(5).reshape(5, 1, 1) + 1) * (rank + 1)).sum().backward()  # type: ignore[no-untyped-call]
    torch.save((sums, [part.detach() for part in rows], sequences.grad), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Measured], list[Tensor], Tensor]]:
    """Return each process's results: loss terms and gradients summed over processes, rows of all, and a gradient."""
    folder = tmp_path_factory.mktemp("whole-batch")
    torch.multiprocessing.spawn(in_a_process, args=(str(folder),), nprocs=2)  # type: ignore[attr-defined,no-untyped-call]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", SWITCHES)
def test_the_parts_of_two_processes_add_up_to_the_loss_of_the_whole_batch(
    seen: list[tuple[dict[str, Measured], list[Tensor], Tensor]], name: str
) -> None:
    values, gradients = seen[0][0][name]
    expected_values, expected = joint_terms(name, [*SHARES[0], *SHARES[1]], ALONE)
    assert bool((expected_values > 0).all())
    assert_near(values, expected_values)
    assert gradients.keys() == expected.keys()
    for key, value in expected.items():
        assert_near(gradients[key], value)


def test_rows_of_unequal_shares_stand_in_the_order_of_ranks(
    seen: list[tuple[dict[str, Measured], list[Tensor], Tensor]],
) -> None:
    for _, (numbers, flags, sequences), _ in seen:
        assert numbers.tolist() == [0, 1, 10, 11, 12]
        assert flags.tolist() == [True, False, True, False, True]
        assert sequences.shape == (5, 3, 2)
        assert bool((sequences[:2] == 1).all())
        assert bool((sequences[2:, :2] == 2).all())
        assert not sequences[2:, 2:].any(), "padding"


def test_a_gradient_is_the_sum_over_the_losses_of_all_processes(
    seen: list[tuple[dict[str, Measured], list[Tensor], Tensor]],
) -> None:
    # Row i has weight i + 1, in one loss once and in the other twice.
    assert [rows[:, 0, 0].tolist() for _, _, rows in seen] == [[3, 6], [9, 12, 15]]
    assert bool((seen[1][2] == seen[1][2][:, :1, :1]).all())


def test_a_single_process_gets_its_own_tensors_back() -> None:
    module = WholeBatch()
    span_processes(module, ALONE)
    rows = (torch.ones(2), torch.zeros(2, 3))
    for mode in (True, False):
        returned = module.train(mode)(*rows)
        assert all(one is other for one, other in zip(returned, rows, strict=True))


def test_evaluation_never_waits_for_other_processes() -> None:
    """A development batch belongs to one process: without a process group, a call to the others would fail."""
    model = nn.Sequential(WholeBatch())
    span_processes(model, Ranks(0, 2))
    values = torch.ones(2)
    (returned,) = model.eval()(values)
    assert returned is values
    with pytest.raises(ValueError, match="process group"):
        model.train()(values)
