"""``params.yaml`` and the presets' recipes as frozen, strict objects.

Experiment knobs have their one home in ``params.yaml`` and no default here. Unknown keys are errors that name the
nearest known one, and all errors of a file are reported together.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from merflow.contracts.errors import ParamsError, nearest
from merflow.contracts.protocols import Development, Policy, Protocol, ShadowSelection
from merflow.contracts.streams import EncoderPart, Role

Transcripts = Literal["auto", "truth", "asr"]


class Strict(BaseModel):
    """Frozen, keyword-only, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CorpusParams(Strict):
    """Which classes count, and what a recording must look like to pass validation.

    Attributes:
        resample: Recordings of any rate and channel count pass, and become 16 kHz mono when they are read.
    """

    taxonomy: str
    min_duration_s: float = Field(gt=0)
    max_duration_s: float = Field(gt=0)
    silence_dbfs: float = Field(lt=0)
    max_clipped_share: float = Field(ge=0, le=1)
    resample: bool


class SplitParams(Strict):
    """How folds and development data are chosen. Fractions are of the training utterances."""

    protocol: Protocol
    development: Development
    random_share: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)
    improvised_only: bool


class PlanParams(Strict):
    """Which trainings a benchmark is made of, beside its variants and the folds of its protocol.

    Attributes:
        seeds: Every fold of every variant is trained once with each. They are no part of a fold's settings, so that
            one seed more leaves all finished folds as they are.
    """

    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _once(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is given twice")
        return seeds


class BatchCost(Strict):
    """What a padded batch may cost at most: steps of 20 ms of audio, pictures of video, tokens of text."""

    audio: int = Field(ge=1)
    video: int = Field(ge=1)
    text: int = Field(ge=1)


class FeatureParams(Strict):
    """Which encoders, how fast, and how the store is cut.

    Attributes:
        device: Of the encoders; ``auto`` is a GPU where there is one.
        workers: Processes that read ahead of the encoder; ``auto`` is one a core where there is enough to read.
        batch_cost: Largest padded batch by modality.
        encoders_folder: Folder of pretrained encoders, one folder each; read instead of the hub where it holds one.
        transcripts: Whose words are read: ``truth`` the corpus', ``asr`` a recogniser's; ``auto`` what each preset asks
            for, and the other where the corpus has that one alone.
    """

    profile: str
    encoders_folder: str
    shard_utterances: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"]
    workers: Literal["auto"] | Annotated[int, Field(ge=0)]
    batch_cost: BatchCost
    transcripts: Transcripts


class TranscriptionParams(Strict):
    """How recordings become text.

    Attributes:
        model: A size of Whisper (``small.en``), a hub id (``owner/name``) or a local folder.
        revision: Commit, tag or branch of a hub id; None for ``main``, and for the commit that a size stands for.
        language: Code of the language; None lets a multilingual model find out by itself, recording by recording.
        beams: 1 is greedy.
        batch_size: Windows of 30 s at a time.
        max_new_tokens: Longest text of a window; half of Whisper's context is 224.
        dtype: ``auto`` is float16 on a GPU and float32 elsewhere.
    """

    model: str
    revision: str | None
    language: str | None
    beams: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    max_new_tokens: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"]


class TrainingParams(Strict):
    """What is the same for every variant of a benchmark; the papers' own constants are in the presets' recipes.

    Attributes:
        precision: ``auto`` is float32 on a CPU, and on a GPU the recipe's, or bf16 autocast where it names none.
        max_epochs: Cap over every stage of every recipe, or None.
        threads: CPU threads of one fold's process.
        resident_gib: Features of a part of a fold that fit in so many GiB are kept in memory.
        resident_on: Whose memory, the host's or the training device's.
        compile: Of the model's forward pass: ``default`` fuses kernels, ``cuda-graphs`` also replays them.
        shadow_selection: ``none-paper`` also keeps the test predictions of the epoch that the test part itself likes
            best, as some published code does: a column that shows the bias of doing so, and chooses nothing.
        modality_dropout: Probability that a training utterance loses a modality; at least one always stays.
    """

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    max_epochs: int | None = Field(ge=1)
    threads: int = Field(ge=1)
    resident_gib: float = Field(ge=0)
    resident_on: Literal["host", "device"]
    compile: Literal["off", "default", "cuda-graphs"]
    shadow_selection: ShadowSelection
    modality_dropout: float = Field(ge=0, lt=1)


class TuningParams(Strict):
    """How a variant's best parameters are looked for.

    Attributes:
        trials: Finished ones (pruned ones are), of the whole study, whatever the number of workers.
        workers: Processes that try at a time.
        folds: Those whose development UA is averaged; every trial trains them one after the other.
        seed: Of the sampler and of every training.
        startup_trials: Finished ones before the sampler learns from them; until then it draws at random.
        pruning_trials: Complete ones before any trial is pruned.
        pruning_epochs: No trial is pruned before so many epochs.
        storage: ``auto`` for SQLite in the output folder, or a database's URL, for workers on several machines.
        heartbeat_s: How often a running trial says that it lives.
        grace_s: A trial that has been silent for so long is given to another worker.
        retries: How often that is done with one trial.
    """

    trials: int = Field(ge=1)
    workers: int = Field(ge=1)
    folds: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    seed: int = Field(ge=0)
    startup_trials: int = Field(ge=1)
    pruning_trials: int = Field(ge=1)
    pruning_epochs: int = Field(ge=0)
    storage: str
    heartbeat_s: int = Field(ge=1)
    grace_s: int = Field(ge=2)
    retries: int = Field(ge=0)

    @field_validator("folds")
    @classmethod
    def _folds_once(cls, folds: list[int]) -> list[int]:
        if len(set(folds)) < len(folds):
            raise ValueError("a fold is given twice")
        return folds

    @model_validator(mode="after")
    def _patient(self) -> "TuningParams":
        if self.grace_s <= self.heartbeat_s:
            raise ValueError(f"grace_s {self.grace_s} must be longer than heartbeat_s {self.heartbeat_s}")
        return self


class EvaluationParams(Strict):
    """Bootstrap resamples (of dialogues), their seed, and the bins of the calibration error."""

    bootstrap_samples: int = Field(ge=100)
    bootstrap_seed: int = Field(ge=0)
    calibration_bins: int = Field(ge=2)


class TrackingParams(Strict):
    """MLflow experiment. ``uri`` is a server, a database, ``none``, or ``auto`` for SQLite in the output folder."""

    experiment: str
    uri: str


class Params(Strict):
    """All of ``params.yaml``."""

    corpus: CorpusParams
    splits: SplitParams
    features: FeatureParams
    plan: PlanParams
    training: TrainingParams
    tuning: TuningParams
    evaluation: EvaluationParams
    tracking: TrackingParams
    transcription: TranscriptionParams


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


Model = TypeVar("Model", bound=BaseModel)


def parse(kind: type[Model], values: Any, *, where: str) -> Model:  # noqa: ANN401 - parsed YAML is of any type
    """Values as an object of this kind.

    Raises:
        ParamsError: With every problem of the values, one a line.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [
            f"  {_problem(kind, detail['loc'], detail['type'], detail['msg'], detail.get('input'))}"
            for detail in error.errors()
        ]
        raise ParamsError("\n".join([f"{where}: {len(lines)} problem(s)", *lines])) from error


def read_params(path: Path, *, overrides: tuple[str, ...] = ()) -> Params:
    """``params.yaml`` with overrides of the form ``training.threads=2`` on top.

    Raises:
        ParamsError: The file is missing or no YAML mapping, or a key or value is wrong.
    """
    if not path.is_file():
        raise ParamsError(f"no such file: {path}; pass --params, or run in a folder that holds params.yaml")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected a mapping, found {type(values).__name__}")
    for override in overrides:
        _set(values, override)
    return parse(Params, values, where=str(path) + ("" if not overrides else f" with {', '.join(overrides)}"))


def _set(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ParamsError(f"override {override!r} has no '='; write it as training.threads=2")
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ParamsError(f"override {override!r}: {section!r} is a value, not a section")
    try:
        values[name] = yaml.safe_load(text) if text else ""
    except yaml.YAMLError as error:
        raise ParamsError(
            f"override {override!r}: {text!r} is no YAML value; write it as training.threads=2"
        ) from error


def _problem(kind: type[BaseModel], loc: tuple[int | str, ...], code: str, message: str, found: object) -> str:
    key = ".".join(str(step) for step in loc) or kind.__name__
    if code != "extra_forbidden":
        return f"{key}: {message}" + ("" if code == "missing" else f", found {found!r}")
    return f"{key}: unknown key; {nearest(str(loc[-1]), _keys_at(kind, loc[:-1]))}"


def _keys_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that are known at a place in this kind's values."""
    annotation: Any = kind
    for step in loc:
        if get_origin(annotation) in (dict, list):
            annotation = get_args(annotation)[-1]
        else:
            annotation = annotation.model_fields[str(step)].annotation
    keys: Mapping[str, object] = annotation.model_fields
    return keys
