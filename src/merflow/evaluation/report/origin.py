"""The origin of a report, for a reader who wants to reproduce it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Facts that let a reader reproduce a report.

    Attributes:
        title: Title of the report.
        command: Command that reproduces the run.
        identity: Corpus, hashes, encoders, commits and so on; name -> value, in the order of the page.
    """

    title: str
    command: str
    identity: Mapping[str, str]
