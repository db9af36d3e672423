"""The sizes of the synthetic releases."""

from typing import Literal, get_args

Size = Literal["tiny", "demo", "small", "full"]
SIZES: tuple[Size, ...] = get_args(Size)

MoseiSize = Literal["tiny", "small", "medium"]
MOSEI_SIZES: tuple[MoseiSize, ...] = get_args(MoseiSize)
