"""The settings of a run that KFP takes when the run is submitted, because a package cannot hold them."""

from pathlib import Path

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.strict import Strict

FILE = "submission.json"
_FORMAT = 1


class Submission(Strict):
    """The settings for runs of the packages in one folder.

    Attributes:
        service_account: Service account of the runs; None for KFP's own.
        image: Image of the steps.
    """

    service_account: str | None
    image: str


def write_submission(folder: Path, submission: Submission) -> None:
    """Write it next to the packages.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / FILE, submission, number=_FORMAT)


def read_submission(folder: Path) -> Submission | None:
    """Read it from a folder of packages; None if the folder has none.

    Raises:
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    return read_typed(Submission, path, number=_FORMAT, remedy="compile the packages again")
