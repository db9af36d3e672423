"""The sizes of generated corpora."""

from typing import Literal, get_args

Size = Literal["tiny", "demo", "small", "full"]
SIZES: tuple[Size, ...] = get_args(Size)

MoseiSize = Literal["tiny", "small", "medium"]
MOSEI_SIZES: tuple[MoseiSize, ...] = get_args(MoseiSize)

TableSize = Literal["tiny", "small", "full"]
TABLE_SIZES: tuple[TableSize, ...] = get_args(TableSize)

PickleSize = Literal["tiny", "small", "full"]
PICKLE_SIZES: tuple[PickleSize, ...] = get_args(PickleSize)
