"""What passes from the processes that read to the one that encodes."""

from typing import Any, NamedTuple


class Prepared(NamedTuple):
    """One input after all that a processor does to it: decoded, cut, resampled, tokenised, normalised.

    Attributes:
        values: NumPy arrays, or a dict or tuple of them; cheap to pickle.
        cost: What it adds to a batch, in the encoder's own unit (frames, tokens, images), at least 1. Inputs of equal
            cost make a batch without padding.
    """

    values: Any
    cost: int
