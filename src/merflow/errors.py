"""Errors that a user, a file or the network can cause.

Every message says what is wrong, where, and how to mend it, with the values. The command line prints the message
alone and exits with 2; anything that is not a :class:`MerflowError` is our own fault and exits with 1.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MerflowError(Exception):
    """Base of everything that is not merflow's own fault."""


class CorpusError(MerflowError):
    """A corpus folder, table, recording or transcript is missing or malformed."""


class LabelError(MerflowError):
    """An emotion label is unknown to the taxonomy."""


class ValidationFailedError(MerflowError):
    """The corpus does not meet its expectations."""


class SplitError(MerflowError):
    """A split would leak, or cannot be built from this manifest."""


class FeatureError(MerflowError):
    """A feature cannot be computed, stored or found."""


class PretrainedError(MerflowError):
    """A pretrained model is neither on this machine nor to be had from the hub, or its folder is damaged."""


class PresetError(MerflowError):
    """A variant, preset or profile is unknown or malformed."""


class ParamsError(MerflowError):
    """``params.yaml`` or an override of it is wrong."""


class ModelError(MerflowError):
    """A model folder is missing, garbled, or does not fit the model's code."""


class TrainingError(MerflowError):
    """A fold cannot be trained or resumed."""


class DivergedError(TrainingError):
    """A loss is not finite."""


class TuningError(MerflowError):
    """A search space is malformed, or a study cannot be opened or is of something else."""


class EvaluationError(MerflowError):
    """Prediction tables are incomplete or do not belong together."""


class TrackingError(MerflowError):
    """The tracking server refuses or cannot be reached."""


class VersioningError(MerflowError):
    """No DVC project, or its remote cannot be reached, refuses, or lacks a file."""


class PipelineError(MerflowError):
    """A step of a pipeline failed, or a pipeline's tools are not there."""


class FormatError(MerflowError):
    """A file was written by another version of merflow, or is damaged."""


class OutputError(MerflowError):
    """An output folder cannot be written: read-only, full or occupied by something else."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the closest known word, or the list of known words where none is close."""
    words = sorted(known)
    close = get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"
