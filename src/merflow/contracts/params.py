"""``params.yaml`` as a frozen, strict object: experiment knobs have their one home there and no default here."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from merflow.contracts.cluster import ClusterParams
from merflow.contracts.passwords import masked
from merflow.contracts.protocols import NO_PROTOCOL, Development, Protocol, ShadowSelection
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError

Transcripts = Literal["auto", "truth", "asr"]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's truth values, ``true`` and ``false`` alone: ``off`` is a word, however a tool rewrote the file."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


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

    @field_validator("protocol", mode="before")
    @classmethod
    def _no_selection(cls, protocol: object) -> object:
        if protocol == "none-paper":
            raise ValueError(NO_PROTOCOL)
        return protocol


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
            for, and the other where the corpus has that one alone. Where it has both, a trained model is also tested
            with the kind that it does not read.
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
        threads: CPU threads of one process.
        devices_per_fold: Processes that train one fold together, each with a share of every batch and a GPU of its own.
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
    devices_per_fold: int = Field(ge=1)
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
        storage: ``auto`` for SQLite in the output folder, or a database's URL, for workers on several machines. Its
            password belongs in PGPASSWORD or ~/.pgpass; one in the URL is used, and neither stored nor shown.
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
    """Bootstrap resamples (of dialogues), their seed, the bins of the calibration error, and what a report may show.

    Attributes:
        show_words: The report's pictures of single utterances say what was said. Steps of text are numbered either way.
    """

    bootstrap_samples: int = Field(ge=100)
    bootstrap_seed: int = Field(ge=0)
    calibration_bins: int = Field(ge=2)
    show_words: bool


class TrackingParams(Strict):
    """MLflow experiment. ``uri`` is a server, a database, ``none``, or ``auto`` for SQLite in the output folder.

    Attributes:
        system_metrics_every_s: Seconds between measurements of processors, GPUs and memory while a fold trains; 0 for
            none.
    """

    experiment: str
    uri: str
    system_metrics_every_s: float = Field(ge=0)


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
    cluster: ClusterParams


def read_params(path: Path, *, overrides: tuple[str, ...] = ()) -> Params:
    """``params.yaml`` with overrides of the form ``training.threads=2`` on top.

    Raises:
        ParamsError: The file is missing or no YAML mapping, or a key or value is wrong.
    """
    if not path.is_file():
        raise ParamsError(f"no such file: {path}; pass --params, or run in a folder that holds params.yaml")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected a mapping, found {type(values).__name__}")
    for override in overrides:
        _set(values, override)
    where = str(path) + ("" if not overrides else f" with {masked(', '.join(overrides))}")
    return parse(Params, values, where=where)


def sections_json(params: Params) -> dict[str, str]:
    """Each section as JSON, named as the pipelines' inputs are: ``training_params``."""
    return {f"{name}_params": json.dumps(section) for name, section in params.model_dump().items()}


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
        values[name] = yaml.load(text, Loader=_Loader) if text else ""
    except yaml.YAMLError as error:
        raise ParamsError(
            f"override {override!r}: {text!r} is no YAML value; write it as training.threads=2"
        ) from error
