"""The content of ``params.yaml`` as a frozen, strict object.

Experiment settings are defined only in that file; no section has defaults here.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator, model_validator

from merflow.contracts.cluster import ClusterParams
from merflow.contracts.passwords import masked, without_password
from merflow.contracts.protocols import ShadowSelection
from merflow.contracts.split_params import SplitParams
from merflow.contracts.strict import Strict
from merflow.contracts.taxonomy import Taxonomy, parse_taxonomy, taxonomy
from merflow.errors import LabelError

Transcripts = Literal["auto", "truth", "asr"]
TagRule = Literal["drop", "keep", "words"]
AcceptedDifference = Literal[
    "missing-sessions", "no-audio", "rare-labels", "four-classes", "other-split", "other-scores"
]


class CorpusParams(Strict):
    """The classes, and the limits that a recording must keep to pass validation.

    Attributes:
        taxonomy: Given as a name, as the path of a YAML file, or as the content of one.
        resample: True to accept recordings of any sample rate and channel count, and read them as 16 kHz mono.
        tags: Treatment of transcribers' tags such as ``[LAUGHTER]``: ``drop`` them, ``keep`` them as they are, or read
            them as ``words`` (laughter).
        accept: Differences from the real release of a corpus that are known; validation records them and continues.
    """

    taxonomy: Taxonomy
    min_duration_s: float = Field(gt=0)
    max_duration_s: float = Field(gt=0)
    silence_dbfs: float = Field(lt=0)
    max_clipped_share: float = Field(ge=0, le=1)
    resample: bool
    tags: TagRule
    accept: list[AcceptedDifference]

    @field_validator("taxonomy", mode="before")
    @classmethod
    def _read_taxonomy(cls, given: object) -> Taxonomy:
        if isinstance(given, Taxonomy):
            return given
        try:
            return taxonomy(given) if isinstance(given, str) else parse_taxonomy(given, where=f"{given!r:.60}")
        except LabelError as error:
            raise ValueError(str(error)) from error

    @field_serializer("taxonomy")
    def _name_or_content(self, chosen: Taxonomy) -> str | dict[str, Any]:
        return chosen.name if chosen.shipped else chosen.content()


class PlanParams(Strict):
    """The training runs of a benchmark, apart from its variants and the folds of its protocol.

    Attributes:
        seeds: Every fold of every variant is trained once per seed. Seeds are not among the settings of a fold,
            so one more seed leaves all finished folds valid.
    """

    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _once(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"a seed is given twice in {seeds}; remove one")
        return seeds


class BatchCost(Strict):
    """The largest padded batch: steps of 20 ms of audio, frames of video, tokens of text."""

    audio: int = Field(ge=1)
    video: int = Field(ge=1)
    text: int = Field(ge=1)


class FeatureParams(Strict):
    """The encoders, the speed of extraction, and the size of the store's shards.

    Attributes:
        profile: The encoder profile: the name of a shipped one (``presets/profiles/<name>.yaml``), or a file of your
            own.
        encoders_folder: Folder of pretrained encoders, one subfolder each; an encoder in it is used instead of the
            hub's.
        store: Folder of the feature store, which any number of runs may share; empty for one in the run's own folder.
        shard_utterances: Utterances per shard of the store.
        device: Device of the encoders; ``auto`` is a GPU if there is one.
        workers: Processes that read inputs ahead of the encoder; ``auto`` is one per core if there is enough to read.
        batch_cost: Largest padded batch, by modality.
        transcripts: ``truth`` reads the corpus's transcripts, ``asr`` recognized ones. ``auto`` reads the kind that
            each preset asks for, or the only kind that the corpus has. If the corpus has both kinds, a trained model is
            also tested with the other one.
    """

    profile: str
    encoders_folder: str
    store: str
    shard_utterances: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"]
    workers: Literal["auto"] | Annotated[int, Field(ge=0)]
    batch_cost: BatchCost
    transcripts: Transcripts


class TranscriptionParams(Strict):
    """Settings of speech recognition with Whisper.

    Attributes:
        model: A Whisper model size (``small.en``), a hub id (``owner/name``) or a local folder.
        revision: Commit, tag or branch of a hub id; None for ``main``. The Whisper sizes have pinned commits.
        language: Language code; None lets a multilingual model detect the language of each recording.
        beams: Beams of the search; 1 is greedy.
        batch_size: Windows of 30 s per batch.
        max_new_tokens: Length limit for the text of a window, in tokens; 224 is half of Whisper's context.
        device: ``auto`` is a GPU if there is one.
        dtype: ``auto`` is float16 on a GPU and float32 on a CPU.
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
    """Settings that all variants of a benchmark share; the papers' own constants are in the presets' recipes.

    Attributes:
        device: ``auto`` is a GPU if there is one.
        encoders: ``as-preset`` fine-tunes the encoders that a preset fine-tunes; ``frozen`` trains every preset on
            stored features.
        precision: ``auto`` is float32 on a CPU. On a GPU it is the recipe's precision, or bf16 autocast if the recipe
            names none.
        max_epochs: Limit for every stage of every recipe; None for no limit.
        threads: CPU threads per process. The number does not depend on the machine, because it affects the last bits of
            sums.
        devices_per_fold: Processes that train one fold together, each with its share of every batch and its own GPU.
        resident_gib: A part of a fold (train, dev, test) whose features fit into this many GiB is kept in memory.
        resident_on: Memory for it: the host's or the training device's.
        compile: Compilation of the forward pass: ``default`` fuses kernels, ``cuda-graphs`` also replays them.
        shadow_selection: ``none-paper`` also keeps the test predictions of the epoch with the best test score, as some
            published code does. They show the bias of that selection and choose nothing.
        modality_dropout: Probability that a training utterance loses a modality; at least one always remains.
    """

    device: Literal["auto", "cpu", "cuda"]
    encoders: Literal["as-preset", "frozen"]
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
    """Settings of the search for a variant's best parameters.

    Attributes:
        trials: Finished trials of the whole study, including pruned ones, however many workers run them.
        workers: Trials that run at the same time, each in its own process; ``auto`` fits the machine.
        folds: Folds whose development UA, or CCC of scores, is averaged; every trial trains them one after the other.
            ``auto`` is the first two, or the only one.
        seed: Seed of the sampler and of every training.
        startup_trials: Finished trials, drawn at random, before the sampler learns from them.
        pruning_trials: Completed trials before any trial is pruned.
        pruning_epochs: Epochs of a trial before it may be pruned.
        storage: ``auto`` for SQLite in the output folder, or a database URL for workers on several machines. Put its
            password into PGPASSWORD or ~/.pgpass; a password in the URL works, and is neither stored nor shown.
        heartbeat_s: Seconds between heartbeats of a running trial.
        grace_s: Seconds without a heartbeat until a trial is given to another worker.
        retries: Retries per trial.
    """

    trials: int = Field(ge=1)
    workers: Literal["auto"] | Annotated[int, Field(ge=1)]
    folds: Literal["auto"] | list[int]
    seed: int = Field(ge=0)
    startup_trials: int = Field(ge=1)
    pruning_trials: int = Field(ge=1)
    pruning_epochs: int = Field(ge=0)
    storage: str
    heartbeat_s: int = Field(ge=1)
    grace_s: int = Field(ge=2)
    retries: int = Field(ge=0)

    def folds_among(self, count: int) -> list[int]:
        """Return the folds of splits with so many; those of ``auto`` are the first two, or the only one."""
        return [1, 2][:count] if self.folds == "auto" else self.folds

    @field_validator("folds", mode="before")
    @classmethod
    def _folds_once(cls, folds: object) -> object:
        if folds == "auto":
            return folds
        if not isinstance(folds, list) or not folds or not all(type(fold) is int and fold >= 1 for fold in folds):
            raise ValueError(f"{folds!r} names no folds; write auto, or their numbers from 1, as in [1, 2]")
        if len(set(folds)) < len(folds):
            raise ValueError(f"a fold is given twice in {folds}; remove one")
        return folds

    @model_validator(mode="after")
    def _patient(self) -> "TuningParams":
        if self.grace_s <= self.heartbeat_s:
            raise ValueError(f"grace_s {self.grace_s} must be longer than heartbeat_s {self.heartbeat_s}")
        return self


class ClassicsParams(Strict):
    """The classics that are trained along with the variants, on the same folds.

    Attributes:
        words: True for TF-IDF with logistic regression, where the corpus has words.
        audio: True for merflow's own functionals with a support vector machine, where the corpus has recordings.
        opensmile: ``auto`` also uses openSMILE's functionals if the package is installed, ``on`` demands it.
    """

    words: bool
    audio: bool
    opensmile: Literal["auto", "on", "off"]


class EvaluationParams(Strict):
    """Settings of the figures and the report.

    Attributes:
        bootstrap_samples: Resamples of dialogues.
        bootstrap_seed: Seed of the resampling.
        calibration_bins: Bins of the calibration error.
        show_words: True to print the words of some utterances in the report's figures. Text tokens are numbered
            either way.
    """

    bootstrap_samples: int = Field(ge=100)
    bootstrap_seed: int = Field(ge=0)
    calibration_bins: int = Field(ge=2)
    show_words: bool


class TrackingParams(Strict):
    """Settings of MLflow.

    Attributes:
        experiment: Name of the experiment.
        uri: A server's URI, a database's, ``none``, or ``auto`` for SQLite in the output folder.
        ui: URL of MLflow for people, for links; ``auto`` for that of the server.
        system_metrics_every_s: Seconds between measurements of CPU, GPU and memory use while a fold trains; 0
            switches them off.
    """

    experiment: str
    uri: str
    ui: str
    system_metrics_every_s: float = Field(ge=0)

    @field_validator("uri", "ui")
    @classmethod
    def _no_password(cls, uri: str) -> str:
        if without_password(uri)[1] is not None:
            raise ValueError(
                f"{masked(uri)!r} has a password, which every run would keep in its files; leave it out, and set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD for a server, or PGPASSWORD for PostgreSQL"
            )
        return uri


class Params(Strict):
    """All sections of ``params.yaml``."""

    corpus: CorpusParams
    splits: SplitParams
    features: FeatureParams
    plan: PlanParams
    training: TrainingParams
    tuning: TuningParams
    classics: ClassicsParams
    evaluation: EvaluationParams
    tracking: TrackingParams
    transcription: TranscriptionParams
    cluster: ClusterParams
