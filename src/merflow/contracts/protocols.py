"""How a corpus is divided: the words for protocols, development data and the parts of a fold."""

from typing import Literal, get_args

Part = Literal["train", "dev", "test"]
Protocol = Literal["session-5fold", "speaker-10fold", "session5-only"]
Development = Literal["speaker", "session", "random"]

PARTS: tuple[Part, ...] = get_args(Part)
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
DEVELOPMENTS: tuple[Development, ...] = get_args(Development)
