"""The files that the steps of a run share: on a volume, or in S3 with a scratch folder for each pod.

On a volume there is nothing to do. With S3, a step fetches what its job will read, and uploads what the job wrote. The
job itself sees a folder in both cases.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from merflow.runs.remote.location import remote_address
from merflow.runs.workspace import Workspace

if TYPE_CHECKING:
    from merflow.runs.remote.workspace import RemoteWorkspace


class SharedFiles:
    """The shared files of one workspace, as one step uses them.

    Attributes:
        workspace: The workspace on this machine.
        remote: The workspace in S3; None on a volume.

    Raises:
        StorageError: The settings of S3 are wrong.
    """

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.remote: RemoteWorkspace | None = None
        if remote_address(os.environ) is not None:
            from merflow.runs.remote.workspace import remote_workspace

            self.remote = remote_workspace(root.resolve())

    def holds(self, path: Path) -> bool:
        """Return True if a path is in the workspace."""
        return path.absolute().is_relative_to(self.workspace.root.resolve())

    def fetch(self, *paths: Path, immutable: bool = True) -> None:
        """Fetch files, as far as there are any; the job says what is missing."""
        for path in paths:
            if self.remote is not None and self.holds(path):
                self.remote.fetch_file(path.absolute(), immutable=immutable)

    def fetch_below(self, folder: Path) -> None:
        """Fetch a folder, if there is one."""
        if self.remote is not None and self.holds(folder):
            self.remote.fetch_below(folder.absolute())

    def upload(self, paths: Iterable[Path], *, immutable: bool) -> None:
        """Upload files that the job wrote."""
        if self.remote is not None:
            self.remote.upload([path.absolute() for path in paths if path.is_file()], immutable=immutable)

    def mirror(self, folder: Path) -> None:
        """Upload a folder of replaceable files, or delete it from S3 if the job has deleted it."""
        if self.remote is None:
            return
        if folder.is_dir():
            self.upload(folder.rglob("*"), immutable=False)
        else:
            self.remote.remove(folder.absolute())

    def uploading(self, find: Callable[[], Iterable[Path]], *, immutable: bool) -> AbstractContextManager[object]:
        """Upload files while the block writes them; see :class:`merflow.runs.remote.watch.Watch`."""
        if self.remote is None:
            return nullcontext()
        from merflow.runs.remote.watch import Watch

        return Watch(self.remote, lambda: [path.absolute() for path in find()], immutable=immutable)

    def agree_on_identity(self) -> None:
        """Make all pods see one identity of the workspace; see :meth:`merflow.runs.workspace.Workspace.identity`."""
        if self.remote is not None:
            path = self.workspace.identity_file.absolute()
            self.remote.fetch_file(path)
            self.workspace.identity()
            self.remote.agree(path)


@contextmanager
def adding_lines(path: Path, shared: SharedFiles) -> Iterator[None]:
    """Fetch a file of lines, and upload the lines that the block adds to it while it does."""
    if shared.remote is None:
        yield
        return
    from merflow.runs.remote.lines import GrowingFile

    growing = GrowingFile(path.absolute(), shared.remote)
    growing.fetch()
    with shared.uploading(growing.segments, immutable=True):
        yield
