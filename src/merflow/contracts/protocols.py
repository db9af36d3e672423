"""Words for the division of a corpus and for training: protocols, development data, parts of a fold, policies."""

from typing import Literal, get_args

Part = Literal["train", "dev", "test"]
# The first three are IEMOCAP's, with its number of sessions and speakers; the others suit any corpus.
Protocol = Literal[
    "session-5fold",
    "speaker-10fold",
    "session5-only",
    "leave-one-session-out",
    "leave-one-speaker-out",
    "k-fold",
    "official",
    "cross-corpus",
]
# A protocol in params.yaml: ``auto`` is the usual one of the corpus.
ProtocolChoice = Literal["auto", Protocol]
Development = Literal["speaker", "session", "random"]
# Those of a fold: drawn by one of these rules, or the development part of the corpus's own split.
DevelopmentData = Literal["speaker", "session", "random", "official"]
# Treatment of a speaker or dialogue that a corpus's own split has in two parts.
SharedSpeakers = Literal["refuse", "record"]
# A selection rule that looks at the test part: it is never promoted, and every table that shows it names it.
ShadowSelection = Literal["off", "none-paper"]
# Part of the encoders that learns in a stage of training.
Policy = Literal["frozen", "partial", "full"]

PARTS: tuple[Part, ...] = get_args(Part)
# Those that split one corpus. The remaining one trains on one corpus and tests another (:mod:`merflow.corpus.joining`).
PROTOCOLS: tuple[Protocol, ...] = tuple(name for name in get_args(Protocol) if name != "cross-corpus")
DEVELOPMENTS: tuple[Development, ...] = get_args(Development)
# Protocols whose number of folds is the same for every corpus. `k-fold` takes it from the parameters; the others follow
# the sessions or speakers of a corpus.
FIXED_FOLDS: dict[Protocol, int] = {
    **{"session-5fold": 5, "speaker-10fold": 10},
    **{"session5-only": 1, "official": 1, "cross-corpus": 1},
}
# Advice for users who pass none-paper as a protocol.
NO_PROTOCOL = "none-paper is not a protocol, but a way to choose the epoch: --set training.shadow_selection=none-paper"
