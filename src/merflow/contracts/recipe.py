"""Training recipes of presets: the papers' own constants, stage by stage."""

from typing import Literal

from pydantic import Field, model_validator

from merflow.contracts.protocols import Policy
from merflow.contracts.streams import EncoderPart, Role
from merflow.contracts.strict import Strict
from merflow.contracts.task import Classification, Task
from merflow.errors import PresetError

# Figures of development data that may choose the epoch: the loss, one of emotions, two of scores.
Monitor = Literal["dev_loss", "dev_ua", "dev_mae", "dev_ccc"]


class Recipe(Strict):
    """Optimization and stopping rule of one stage; a preset has one stage or several.

    Settings that most papers do not mention have a default that switches them off.

    Attributes:
        policy: Policy for the encoders. ``frozen`` trains on stored features; with the others, encoders learn too.
        encoders: Role -> the part of its encoder that learns; empty for ``frozen``.
        optimizer: ``adam`` or ``adamw``.
        lr: Learning rate of the model.
        encoder_lr: Learning rate of the encoders; None for the model's.
        weight_decay: Weight decay of the optimizer.
        batch_size: Utterances per batch.
        micro_batch: Number of recordings, texts or pictures of the longest kind that an encoder processes at once, and
            more of shorter ones; the model always sees whole batches. None for no limit.
        encoder_mode: ``training`` switches on the dropout, layer drop and masking that the configs of learning encoders
            set; ``evaluation`` leaves them off.
        max_epochs: Highest number of epochs.
        patience_epochs: Early stopping: the stage ends after this many epochs without improvement. None never stops
            early.
        monitor: Development figure that chooses the epoch and triggers early stopping: the loss, or one of the task.
        clip_norm: Gradient norm above which gradients are clipped; None to leave them.
        schedule: ``tenth-after-half`` divides the learning rates by 10 after half of the stage's ``max_epochs``.
        precision: Precision on a GPU; ``auto`` leaves it to ``training.precision``.
        sampling: ``class-balanced`` draws as many utterances per epoch as there are, with all classes equally likely;
            a score has no classes to balance.
        batching: ``by-length`` puts utterances of similar length into a batch; ``random`` does not look at the length.
            A loss that compares the utterances of a batch needs random ones: otherwise it compares equal lengths alone.
    """

    policy: Policy = "frozen"
    encoders: dict[Role, EncoderPart] = Field(default_factory=dict)
    optimizer: Literal["adam", "adamw"]
    lr: float = Field(gt=0)
    encoder_lr: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(ge=0)
    batch_size: int = Field(ge=1)
    micro_batch: int | None = Field(default=None, ge=1)
    encoder_mode: Literal["training", "evaluation"] = "training"
    max_epochs: int = Field(ge=1)
    patience_epochs: int | None = Field(ge=1)
    monitor: Monitor
    clip_norm: float | None = Field(gt=0)
    schedule: Literal["constant", "tenth-after-half"] = "constant"
    precision: Literal["auto", "bfloat16", "float16"] = "auto"
    sampling: Literal["shuffle", "class-balanced"] = "shuffle"
    batching: Literal["by-length", "random"] = "by-length"

    @model_validator(mode="after")
    def _encoders_follow_the_policy(self) -> "Recipe":
        if (self.policy == "frozen") == bool(self.encoders):
            raise ValueError(
                f"policy {self.policy!r} does not fit encoders {self.encoders}: only frozen has no encoders"
            )
        return self


def check_recipe(recipe: Recipe, task: Task, *, where: str) -> None:
    """Raise if a recipe needs something that its task does not have.

    Args:
        recipe: The recipe.
        task: The task that it is for.
        where: The preset, for errors.

    Raises:
        PresetError: It balances the classes of a score, or monitors a figure of another task.
    """
    if recipe.sampling == "class-balanced" and not isinstance(task, Classification):
        raise PresetError(f"{where}: {task.name} is a score without classes to balance; set sampling: shuffle")
    figures = ("dev_loss", *task.monitors)
    if recipe.monitor not in figures:
        raise PresetError(f"{where}: task {task.name} has no {recipe.monitor}; set monitor to {' or '.join(figures)}")
