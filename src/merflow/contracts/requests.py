"""The requests of pipeline steps: one frozen type per step, passed as JSON.

A request holds all inputs of a step besides files: its sections of the parameters, the names that it needs, and the
digests of the code and data behind it. No step reads the digests. A pipeline's cache keys a step by its request, so it
runs the step again when one of its own settings, its code or its data changes, and for no other reason.
"""

from typing import Self

from merflow.contracts.dvc_versions import DvcVersions
from merflow.contracts.params import (
    ClassicsParams,
    CorpusParams,
    EvaluationParams,
    FeatureParams,
    TrackingParams,
    TrainingParams,
    TranscriptionParams,
    Transcripts,
    TuningParams,
)
from merflow.contracts.split_params import SplitParams
from merflow.contracts.streams import Stream
from merflow.contracts.strict import Strict, parse_json


class Request(Strict):
    """The base of every request.

    Attributes:
        code: Digest of the step's code.
    """

    code: str

    def to_json(self) -> str:
        """Return the request as one line of JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a request from its JSON.

        Raises:
            ParamsError: The text is not JSON, or a key or value is wrong.
        """
        return parse_json(cls, text, where=f"request {cls.__name__}")


class DataDigests(Strict):
    """Digests of the files that a pipeline reads and that are not among its parameters.

    Attributes:
        corpus: Of the corpus's files; empty for one that is generated.
        encoders: Of local encoders; empty if commits of the hub pin all of them.
        recognizer: Of a local Whisper model; empty for a model of the hub, and where nothing is transcribed.
    """

    corpus: str
    encoders: str
    recognizer: str


class IndexRequest(Request):
    """A corpus to index.

    Attributes:
        corpus: Name of the corpus's reader, for example ``iemocap``.
        root: Release folder or utterance table; empty to generate a synthetic corpus in the workspace.
        size: Size of the synthetic corpus.
        video: True to generate the synthetic corpus with video.
        workspace: Folder that all steps share.
        data: Digest of the corpus's files.
    """

    corpus: str
    root: str
    size: str
    video: bool
    workspace: str
    params: CorpusParams
    data: str


class ValidateRequest(Request):
    """A manifest to validate.

    Attributes:
        quarantine: True to set bad rows aside instead of failing.
        workspace: Folder that all steps share.
        data: Digest of the corpus's files.
    """

    quarantine: bool
    workspace: str
    params: CorpusParams
    data: str


class TranscribeRequest(Request):
    """Recordings to transcribe.

    Attributes:
        transcribe: False to hand the manifest on as it is.
        workspace: Folder that all steps share; the journal of transcripts is kept there.
        data: Digest of the corpus's files.
        recognizer: Digest of the files of a local Whisper model; empty for a model of the hub.
    """

    transcribe: bool
    workspace: str
    params: TranscriptionParams
    corpus: CorpusParams
    data: str
    recognizer: str


class SplitRequest(Request):
    """Folds to draw."""

    params: SplitParams


class ExtractRequest(Request):
    """Features to extract.

    Attributes:
        variants: Variants whose streams are needed, ``model:preset`` each.
        workspace: Folder that all steps share; the feature store is in it.
        encoders: Digest of the files of local encoders; empty if the profile pins all of them.
        presets: Text of the user's presets among the variants; empty for none.
        profile: Text of the user's encoder profile; empty for the one that ``params.profile`` names.
    """

    variants: list[str]
    workspace: str
    params: FeatureParams
    corpus: CorpusParams
    encoders: str
    presets: str
    profile: str


class ClassicsRequest(Request):
    """Classics to train.

    Attributes:
        workspace: Folder that all steps share; the functionals of recordings are kept there.
        transcripts: Kind of transcripts to read; ``auto`` for those of the features.
    """

    workspace: str
    transcripts: Transcripts
    params: ClassicsParams
    corpus: CorpusParams


class TrackRequest(Request):
    """A benchmark's run to open in MLflow.

    Attributes:
        variants: Variants of the benchmark.
        name: Name of the run.
        workspace: Folder that all steps share.
        seeds: Seeds that every fold is trained with.
        dvc: Versions of the DVC project that the run was started from; None without one.
    """

    variants: list[str]
    name: str
    workspace: str
    seeds: list[int]
    params: TrackingParams
    training: TrainingParams
    dvc: DvcVersions | None


class TrainRequest(Request):
    """One fold to train.

    Attributes:
        fold: ``model:preset:fold``, or with a seed ``model:preset:fold:seed``.
        workspace: Folder that all steps share; checkpoints and trained folds are in it.
        presets: Text of the user's preset, if the variant is one; otherwise empty.
        manifest: The manifest in the workspace.
        splits: The splits in the workspace.
        features: The variant's features in the workspace.
        run: The benchmark's run in MLflow, in the workspace.
        data: Digest of the recordings and texts behind the features.
    """

    fold: str
    workspace: str
    params: TrainingParams
    presets: str
    manifest: str
    splits: str
    features: str
    run: str
    data: str


class VariantTraining(Strict):
    """The training of one variant's folds.

    Attributes:
        variant: ``model:preset``.
        presets: Text of the user's preset, if the variant is one; otherwise empty.
        streams: Streams that its model requests.
        code: Digest of the code and of the preset.
    """

    variant: str
    presets: str
    streams: tuple[Stream, ...]
    code: str


class ListFoldsRequest(Request):
    """Variants whose folds are listed once the splits exist.

    Attributes:
        trainings: One for each variant.
        seeds: Seeds that every fold is trained with.
        workspace: Folder that all steps share.
    """

    trainings: list[VariantTraining]
    seeds: list[int]
    workspace: str
    params: TrainingParams


class EvaluateRequest(Request):
    """Trained folds to compare.

    Attributes:
        name: Title of the report.
        command: The command that repeats the run, printed in the report.
        workspace: Folder that all steps share; the trained folds are in it.
    """

    name: str
    command: str
    workspace: str
    params: EvaluationParams


class StudyRequest(Request):
    """A study to open.

    Attributes:
        variant: The variant whose parameters are searched, ``model:preset``.
        name: Name of the study and of its run in MLflow.
        workspace: Folder that all steps share.
    """

    variant: str
    name: str
    workspace: str
    params: TuningParams
    training: TrainingParams
    tracking: TrackingParams


class TrialsRequest(Request):
    """Trials for one worker of a study.

    Attributes:
        worker: Counted from 0.
        workspace: Folder that all steps share; checkpoints are in it.
    """

    worker: int
    workspace: str


class ChoiceRequest(Request):
    """A study's best trial to turn into a preset.

    Attributes:
        preset: Name of the new preset, without its model; empty for the variant's name with ``-tuned`` appended.
    """

    preset: str
