"""How a preset is trained: the papers' own constants, stage by stage."""

from typing import Literal

from pydantic import Field, model_validator

from merflow.contracts.protocols import Policy
from merflow.contracts.streams import EncoderPart, Role
from merflow.contracts.strict import Strict


class Recipe(Strict):
    """How one stage of a variant's training is optimised; a preset has one or several.

    What most papers do not speak of has a default that leaves it out.

    Attributes:
        policy: Whether encoders learn: ``frozen`` trains on stored features.
        encoders: Role -> the part of its encoder that learns; none for ``frozen``.
        encoder_lr: Of the encoders; None for the model's.
        micro_batch: Recordings, texts or pictures of the longest kind that an encoder takes at once, and more of
            shorter ones; the model sees whole batches. None for no limit.
        patience_epochs: The stage ends after so many epochs without a better figure; None never stops early.
        monitor: Development figure that chooses the epoch and ends the stage.
        schedule: ``tenth-after-half`` divides the learning rates by 10 after half of the stage's possible epochs.
        precision: What a GPU computes in; ``auto`` leaves it to ``training.precision``.
        sampling: ``class-balanced`` draws as many utterances as there are, each class as often as the others.
    """

    policy: Policy = "frozen"
    encoders: dict[Role, EncoderPart] = Field(default_factory=dict)
    optimizer: Literal["adam", "adamw"]
    lr: float = Field(gt=0)
    encoder_lr: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(ge=0)
    batch_size: int = Field(ge=1)
    micro_batch: int | None = Field(default=None, ge=1)
    max_epochs: int = Field(ge=1)
    patience_epochs: int | None = Field(ge=1)
    monitor: Literal["dev_loss", "dev_ua"]
    clip_norm: float | None = Field(gt=0)
    schedule: Literal["constant", "tenth-after-half"] = "constant"
    precision: Literal["auto", "bfloat16", "float16"] = "auto"
    sampling: Literal["shuffle", "class-balanced"] = "shuffle"

    @model_validator(mode="after")
    def _encoders_follow_the_policy(self) -> "Recipe":
        if (self.policy == "frozen") == bool(self.encoders):
            raise ValueError(f"policy {self.policy!r} with encoders {self.encoders}; frozen has none, the others some")
        return self
