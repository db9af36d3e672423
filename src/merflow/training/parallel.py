"""Training of one fold with several processes, each on its own device.

Every batch is split among the processes, utterance by utterance. Each process computes the loss of its share, weighted
so that the mean over processes is the loss of the whole batch. All processes then step along the mean gradient, which
keeps their weights bit-identical. Losses that look across the batch (Foal-Net's similarities, GIA-MIC's invariance)
span all shares; see :mod:`merflow.training.whole_batch`. Development and test batches are not split: each goes to one
process.

Decision: gradients are averaged once, after the backward pass, and not while it runs as torch's DistributedDataParallel
does. An encoder with nothing to encode in one share has no gradient there, and the processes would then wait for each
other in different orders. Accelerate opens the process group on the backend that fits the devices.

Shapes: W processes.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.contracts.sources import UtteranceSource
from merflow.errors import TrainingError
from merflow.inference.devices import device_of, gpus
from merflow.inference.missing import without_everything
from merflow.inference.ranks import Ranks


def share_of(source: UtteranceSource, ranks: Ranks) -> UtteranceSource:
    """Return a source whose batches are this process's shares of the requested batches."""
    return source if ranks.count == 1 else _Share(source, ranks)


class _Share:
    """One process's shares of a source's batches; a :class:`merflow.contracts.sources.UtteranceSource`."""

    def __init__(self, source: UtteranceSource, ranks: Ranks) -> None:
        self._source = source
        self._ranks = ranks
        self.lengths = source.lengths
        self.labels = source.labels

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """Return the share. If there are more processes than utterances, it is one utterance without any modality.

        Such an utterance keeps the processes synchronized; :func:`share_of_loss` gives it a weight of 0.
        """
        share = self._ranks.share(indices)
        return self._source.batch(share) if share else without_everything(self._source.batch(indices[:1]))


def share_of_loss(output: Output, ranks: Ranks, *, utterances: int) -> Tensor:
    """Return the loss of this process's share such that the mean over processes is the loss of the whole batch.

    Args:
        output: The model's output for the share.
        ranks: The processes.
        utterances: Size of the whole batch.
    """
    if ranks.count == 1:
        return output.loss
    # A mean over the share counts in proportion to the size of the share; parts of a joint term add up.
    size = len(range(ranks.rank, utterances, ranks.count)) / utterances
    terms = [term.weight * (1.0 if term.joint else size) * term.value for term in output.losses.values()]
    return ranks.count * torch.stack(terms).sum()


def average_gradients(parameters: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """Replace every gradient by its mean over processes.

    A process without a gradient counts as zero. If no process has one, the gradient stays None.
    """
    if ranks.count == 1:
        return
    from accelerate.utils import reduce

    has_gradient = [parameter.grad is not None for parameter in parameters]
    parts = [torch.zeros_like(value) if value.grad is None else value.grad for value in parameters]
    flags = torch.tensor(has_gradient, dtype=parts[0].dtype, device=parts[0].device)
    means = reduce(torch.cat([part.flatten() for part in (*parts, flags)]), reduction="mean")
    *gradients, shares = means.split([part.numel() for part in (*parts, flags)])
    # Only a process that lacks a gradient has to synchronize with the device to see if another process has it.
    exists_anywhere = has_gradient if all(has_gradient) else (shares > 0).tolist()
    for parameter, gradient, exists in zip(parameters, gradients, exists_anywhere, strict=True):
        parameter.grad = gradient.view_as(parameter) if exists else None


def mean_over_processes(value: Tensor, ranks: Ranks) -> Tensor:
    """Return the mean of a tensor over processes."""
    if ranks.count == 1:
        return value
    from accelerate.utils import reduce

    mean: Tensor = reduce(value, reduction="mean")
    return mean


def environments(params: TrainingParams) -> list[dict[str, str]]:
    """Return the environment variables that each process of a fold needs before it calls :func:`joined`.

    Each process sees one GPU, if there are any.

    Raises:
        TrainingError: There are fewer GPUs than ``training.devices_per_fold``.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    devices = gpus(params)[0].split(",") if device_of(params).type == "cuda" else []
    return [
        {
            **{"RANK": str(rank), "WORLD_SIZE": str(params.devices_per_fold)},
            **{"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": str(params.devices_per_fold)},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": str(params.threads)},
            **({"CUDA_VISIBLE_DEVICES": devices[rank]} if devices else {}),
        }
        for rank in range(params.devices_per_fold)
    ]


def started_by_torchrun() -> Ranks | None:
    """Return this process's rank among those that torchrun started for a fold on all nodes; None without torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    return Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def take_own_gpu() -> None:
    """Hide all GPUs except its own from this process, as :func:`environments` does; torchrun shows all to everyone.

    Call this before anything computes on a GPU.
    """
    local = int(os.environ["LOCAL_RANK"])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[local].strip() if visible[0] else str(local)
    os.environ["LOCAL_RANK"] = "0"


@contextmanager
def joined(params: TrainingParams) -> Iterator[Ranks]:
    """Join the fold's process group; yields as soon as all processes have joined.

    After an error the group stays open. The other processes then wait until they are terminated, instead of failing
    first with their own errors.

    Raises:
        TrainingError: Accelerate is not installed, or the processes cannot reach each other.
    """
    partial_state = _partial_state()
    try:
        state = partial_state(cpu=device_of(params).type == "cpu")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"the {os.environ.get('WORLD_SIZE')} processes of the fold cannot reach each other at "
            f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} ({error}); run the same command again"
        ) from error
    yield Ranks(state.process_index, state.num_processes)
    state.destroy_process_group()


def _partial_state() -> Any:  # noqa: ANN401 - accelerate is an optional dependency
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise TrainingError(
            f"training.devices_per_fold needs accelerate ({error}); install merflow[parallel], or set it to 1"
        ) from error
    return PartialState
