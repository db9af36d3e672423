"""The sizes of a synthetic release."""

from typing import Literal, get_args

Size = Literal["tiny", "demo", "small", "full"]
SIZES: tuple[Size, ...] = get_args(Size)
