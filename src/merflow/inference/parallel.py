"""Several processes that train one fold together, each with a device of its own.

A batch is shared out utterance by utterance. Each process computes its share's loss such that the mean over processes
is the whole batch's, and all take the step of the mean gradient, so that their weights stay equal to the bit. What a
model computes over a batch (Foal-Net's similarities, GIA-MIC's invariance) spans all shares; the model sees to that.
Development and test batches go to one process each, whole.

Decision: gradients are averaged once, after the way back, and not meanwhile as torch's own wrapper does. An encoder
that has nothing to encode in one share has no gradient there, and the processes would no longer wait for each other in
the same order. Accelerate opens the group, on the backend of the devices.

Shapes: W processes.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.errors import TrainingError
from merflow.inference.devices import device_of, gpus
from merflow.inference.missing import without_everything
from merflow.training.stages import Source

Row = TypeVar("Row")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train the fold; alone by default, where nothing here changes anything.

    Attributes:
        rank: Its place, from 0; the first one writes what there is to write.
        count: W.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it writes checkpoints and results."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here, so that what one has written before, all can read."""
        if self.count > 1:
            from accelerate.utils import wait_for_everyone

            wait_for_everyone()

    def mine(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Every W-th of what is shared out; of a batch sorted by length, about as many steps as the others have."""
        return rows[self.rank :: self.count]

    def sharing(self, source: Source) -> Source:
        """The source whose batches are this process' shares of those that are asked for."""
        return source if self.count == 1 else _Share(source, self)

    def loss(self, output: Output, *, utterances: int) -> Tensor:
        """The loss of this process' share of a batch of so many utterances; the mean over processes is the batch's."""
        if self.count == 1:
            return output.loss
        # A mean over the share counts as much as the share is large.
        size = len(range(self.rank, utterances, self.count)) * self.count / utterances
        return torch.stack(
            [term.weight * (1.0 if term.joint else size) * term.value for term in output.losses.values()]
        ).sum()

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replaces every gradient by the mean over processes; none stays none where no process has one."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        there = [parameter.grad is not None for parameter in parameters]
        parts = [torch.zeros_like(value) if value.grad is None else value.grad for value in parameters]
        known = torch.tensor(there, dtype=parts[0].dtype, device=parts[0].device)
        means = reduce(torch.cat([part.flatten() for part in (*parts, known)]), reduction="mean")
        *found, elsewhere = means.split([part.numel() for part in (*parts, known)])
        # Only a process that lacks a gradient has to wait for the device to see whether another one has it.
        anywhere = there if all(there) else (elsewhere > 0).tolist()
        for parameter, mean, exists in zip(parameters, found, anywhere, strict=True):
            parameter.grad = mean.view_as(parameter) if exists else None

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over processes."""
        if self.count == 1:
            return value
        from accelerate.utils import reduce

        averaged: Tensor = reduce(value, reduction="mean")
        return averaged

    def collected(self, rows: list[Row]) -> list[Row]:
        """The rows of all processes, those of the first one first."""
        if self.count == 1:
            return rows
        from accelerate.utils import gather_object

        found: list[Row] = gather_object(rows)
        return found


ALONE = Ranks()


class _Share:
    """One process' shares of a source's batches; a :class:`merflow.training.stages.Source`."""

    def __init__(self, source: Source, ranks: Ranks) -> None:
        self._source = source
        self._ranks = ranks
        self.lengths = source.lengths
        self.labels = source.labels

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """The share; where there are more processes than utterances, one without any modality, which counts nothing."""
        mine = self._ranks.mine(indices)
        return self._source.batch(mine) if mine else without_everything(self._source.batch(indices[:1]))


def environments(params: TrainingParams) -> list[dict[str, str]]:
    """What the environment of each process of a fold must hold, for :func:`joined`; each sees one GPU, where there are.

    Raises:
        TrainingError: Fewer GPUs than the params ask for.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = gpus(params)[0].split(",") if device_of(params).type == "cuda" else []
    return [
        {
            **{"RANK": str(rank), "WORLD_SIZE": str(params.devices_per_fold)},
            **{"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": str(params.devices_per_fold)},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": str(params.threads)},
            **({"CUDA_VISIBLE_DEVICES": own[rank]} if own else {}),
        }
        for rank in range(params.devices_per_fold)
    ]


@contextmanager
def joined(params: TrainingParams) -> Iterator[Ranks]:
    """This process as one of a fold's, once all of them are here.

    After an error the group stays as it is, so that the others wait, and do not fail before whoever ends them.

    Raises:
        TrainingError: Accelerate is not installed, or the processes do not find each other.
    """
    partial_state = _partial_state()
    try:
        state = partial_state(cpu=device_of(params).type == "cpu")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"the {os.environ.get('WORLD_SIZE')} processes of the fold do not find each other at "
            f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} ({error}); run the same command again"
        ) from error
    yield Ranks(state.process_index, state.num_processes)
    state.destroy_process_group()


def _partial_state() -> Any:  # noqa: ANN401 - accelerate is not always there
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise TrainingError(
            f"training.devices_per_fold needs accelerate ({error}); install merflow[parallel], or set it to 1"
        ) from error
    return PartialState
