"""Words for the division of a corpus and for training: protocols, development data, parts of a fold, policies."""

from typing import Literal, get_args

Part = Literal["train", "dev", "test"]
Protocol = Literal["session-5fold", "speaker-10fold", "session5-only"]
Development = Literal["speaker", "session", "random"]
# A selection rule that looks at the test part: it is never promoted, and every table that shows it names it.
ShadowSelection = Literal["off", "none-paper"]
# Part of the encoders that learns in a stage of training.
Policy = Literal["frozen", "partial", "full"]

PARTS: tuple[Part, ...] = get_args(Part)
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
DEVELOPMENTS: tuple[Development, ...] = get_args(Development)
# Number of folds of each protocol.
FOLDS: dict[Protocol, int] = {"session-5fold": 5, "speaker-10fold": 10, "session5-only": 1}
# Advice for users who pass none-paper as a protocol.
NO_PROTOCOL = "none-paper is not a protocol, but a way to choose the epoch: --set training.shadow_selection=none-paper"
