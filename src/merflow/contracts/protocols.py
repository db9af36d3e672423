"""How a corpus is divided and trained on: protocols, development data, the parts of a fold, stages' policies."""

from typing import Literal, get_args

Part = Literal["train", "dev", "test"]
Protocol = Literal["session-5fold", "speaker-10fold", "session5-only"]
Development = Literal["speaker", "session", "random"]
# A selection rule that looks at the test part: never promoted, and named in every table that shows it.
ShadowSelection = Literal["off", "none-paper"]
# What of the encoders learns in a stage of training.
Policy = Literal["frozen", "partial", "full"]

PARTS: tuple[Part, ...] = get_args(Part)
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
DEVELOPMENTS: tuple[Development, ...] = get_args(Development)
# Number of folds of each protocol.
FOLDS: dict[Protocol, int] = {"session-5fold": 5, "speaker-10fold": 10, "session5-only": 1}
# What to say to whoever takes it for a protocol.
NO_PROTOCOL = "none-paper is no protocol but a choice of the epoch: --set training.shadow_selection=none-paper"
