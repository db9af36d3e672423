"""The sizes of generated corpora."""

from typing import Literal, get_args

Size = Literal["tiny", "demo", "small", "full"]
SIZES: tuple[Size, ...] = get_args(Size)

MoseiSize = Literal["tiny", "small", "medium"]
MOSEI_SIZES: tuple[MoseiSize, ...] = get_args(MoseiSize)

PickleSize = Literal["tiny", "small", "full"]
PICKLE_SIZES: tuple[PickleSize, ...] = get_args(PickleSize)
