"""The section ``splits`` of ``params.yaml``, which splits and fold records keep as well."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field, field_validator

from merflow.contracts.protocols import (
    FIXED_FOLDS,
    NO_PROTOCOL,
    Development,
    Protocol,
    ProtocolChoice,
    SharedSpeakers,
)
from merflow.contracts.strict import Strict
from merflow.contracts.task import TaskChoice, TaskName


class SplitParams(Strict):
    """The choice of the task, of folds and of development data. Shares are of the training utterances.

    Attributes:
        task: The task that models learn: ``emotion``, or a score. ``auto`` is the corpus's default task; splits record
            which one that was.
        protocol: The rule that chooses the test data of every fold. ``auto`` is the corpus's usual protocol; splits
            record which one that was.
        folds: Number of folds of ``k-fold``; other protocols ignore it.
        min_dev_per_class: A speaker or session becomes development data only with this many utterances of every class;
            of a score, with this many utterances.
        shared_speakers: ``refuse`` a speaker or dialogue that the corpus's official split has in two parts, or
            ``record`` it in the splits' facts; other protocols never share any.
    """

    task: TaskChoice
    protocol: ProtocolChoice
    folds: int = Field(ge=2)
    development: Development
    min_dev_per_class: int = Field(ge=1)
    random_share: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)
    improvised_only: bool
    shared_speakers: SharedSpeakers

    @staticmethod
    def of_record(recorded: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters as in a file; files from before tasks existed get the task ``emotion``."""
        return {"task": "emotion", **recorded}

    @property
    def named_task(self) -> TaskName:
        """The task of the splits, which is never ``auto``."""
        assert self.task != "auto", "jobs.split names the task before it splits"
        return self.task

    @property
    def named_protocol(self) -> Protocol:
        """The protocol of the splits, which is never ``auto``."""
        assert self.protocol != "auto", "jobs.split names the protocol before it splits"
        return self.protocol

    def deciding(self, *, unused: Collection[str] = ()) -> dict[str, Any]:
        """Return the parameters for a digest, without unused ones; those for emotions are as before tasks existed."""
        return self.model_dump(exclude={*unused, *(("task",) if self.task == "emotion" else ())})

    @property
    def known_folds(self) -> int | None:
        """Number of folds if it is known before the corpus is read; None if it depends on the corpus."""
        if self.protocol == "k-fold":
            return self.folds
        return None if self.protocol == "auto" else FIXED_FOLDS.get(self.protocol)

    @field_validator("protocol", mode="before")
    @classmethod
    def _no_selection(cls, protocol: object) -> object:
        if protocol == "none-paper":
            raise ValueError(NO_PROTOCOL)
        return protocol
