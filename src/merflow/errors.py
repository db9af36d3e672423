"""Errors that a user, a file or the network can cause.

Every message says what is wrong, where, and what to do about it. The command line prints the message alone and exits
with 2. Any other exception is a bug of merflow's own, and exits with 1.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MerflowError(Exception):
    """Base class of all errors that are not bugs of merflow."""


class CorpusError(MerflowError):
    """A corpus folder, table, recording or transcript is missing or malformed."""


class LabelError(MerflowError):
    """An emotion label is unknown to the taxonomy."""


class ValidationFailedError(MerflowError):
    """The corpus does not meet its expectations."""


class SplitError(MerflowError):
    """A split would leak, or cannot be built from this manifest."""


class FeatureError(MerflowError):
    """A feature is missing, or cannot be computed or stored."""


class PretrainedError(MerflowError):
    """A pretrained model is neither on this machine nor on the hub, or its folder is damaged."""


class PresetError(MerflowError):
    """A variant, preset or profile is unknown or malformed."""


class ParamsError(MerflowError):
    """``params.yaml`` or an override of it is wrong."""


class ModelError(MerflowError):
    """A model folder is missing or damaged, or does not fit the model's code."""


class TrainingError(MerflowError):
    """A fold cannot be trained or resumed."""


class DivergedError(TrainingError):
    """A loss is not finite."""


class TuningError(MerflowError):
    """A search space is malformed, or a study cannot be opened or belongs to something else."""


class EvaluationError(MerflowError):
    """Prediction tables are incomplete or do not belong together."""


class PromotionError(MerflowError):
    """A variant, package or model version cannot be promoted as asked."""


class StressError(MerflowError):
    """A condition or variant of the stress suite is unknown, or a run cannot be tested with it."""


class TrackingError(MerflowError):
    """The tracking server refuses a request or cannot be reached."""


class RegistryError(MerflowError):
    """A registered model, version or alias is unknown or unusable, or somebody else is moving its aliases."""


class DeploymentError(MerflowError):
    """A model version cannot be deployed as asked."""


class MediaError(MerflowError):
    """A recording or video cannot be read."""


class TooLongError(MediaError):
    """A recording or video is longer than it may be."""


class ServingError(MerflowError):
    """A model's location is none, or clips cannot be predicted as asked."""


class ExportError(MerflowError):
    """A model cannot be exported, or what was exported differs from it."""


class MonitoringError(MerflowError):
    """Logs of traffic, labels and model do not belong together, or there is nothing to compare."""


class VersioningError(MerflowError):
    """There is no DVC project, or its remote cannot be reached, refuses a request or lacks a file."""


class StorageError(MerflowError):
    """S3 cannot be reached or refuses a request, or a file there is missing, damaged or not the expected one."""


class PipelineError(MerflowError):
    """A step of a pipeline failed, or the tools that run pipelines are not installed."""


class SubmissionError(MerflowError):
    """A cluster profile is wrong, or Kubeflow Pipelines refuses a request or cannot be reached."""


class FormatError(MerflowError):
    """A file was written by another version of merflow, or is damaged."""


class OutputError(MerflowError):
    """An output folder cannot be written: read-only, full or occupied by something else."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest known word, or a list of all known words if none is close."""
    words = sorted(known)
    close = get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"
