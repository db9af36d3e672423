"""The outcome of a corpus validation, as the validated manifest carries it."""

from merflow.contracts.strict import Strict


class Validation(Strict):
    """The outcome of the corpus validation that preceded the training.

    Attributes:
        passed: True if every utterance that is left meets every check.
        checks: Number of checks.
        failed: Names of the checks that failed at first.
        set_aside: Number of utterances that were set aside because they failed one.
    """

    passed: bool
    checks: int
    failed: tuple[str, ...]
    set_aside: int = 0
