"""A workspace in S3 and its local part: a step downloads the files that it needs, and uploads its own when it is done.

    <address>/<path>                       a file of the workspace, under its path there
    <address>/<path of a folder>/...       a folder that readers see as a whole (merflow.storage.s3.inventory)

A path in the workspace means the same file on every machine whose scratch folder has the same path. Objects appear
as a whole. There are three kinds of files, each with its own rule:

- files named by a digest of their content or inputs: the first writer wins, and they are never rewritten;
- folders of several files, mainly trained folds: published with an inventory, and again the first writer wins;
- files that a newer one replaces (checkpoints, records of MLflow): the last writer wins, as on a shared volume.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from merflow.errors import StorageError
from merflow.runs.remote.location import remote_address, scratch_bytes
from merflow.runs.remote.scratch import make_room
from merflow.storage.local import replacing
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.checked_stream import sha256_of
from merflow.storage.s3.client import THREADS, S3Client, connect
from merflow.storage.s3.fetching import NothingThereError, fetch
from merflow.storage.s3.objects import create_object, delete_objects, head_object, list_objects, read_object
from merflow.storage.s3.parallel import Tally, each_of
from merflow.storage.s3.publishing import DifferentFolderError, publish
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.stored_files import StoredFile
from merflow.storage.s3.transfers import Transfers

RECORDINGS = "recordings"  # folder of corpora with their own address

Wanted = Callable[[str], bool]


def everything(_path: str) -> bool:
    """Return True."""
    return True


class RemoteWorkspace:
    """One workspace, as one process uses it.

    Args:
        root: The scratch folder.
        address: The workspace.
        client: A client of S3.
        limit: Bytes that the scratch folder may hold; None for no limit.
        patience: Returns the patience of the next transfer.
    """

    def __init__(
        self,
        root: Path,
        address: S3Address,
        *,
        client: S3Client,
        limit: int | None = None,
        patience: Callable[[], Retries] = Retries,
    ) -> None:
        self.root = root
        self.address = address
        self._client = client
        self._limit = limit
        self._patience = patience
        self._answered = False

    def address_of(self, path: Path) -> S3Address:
        """Return the address of a path in the workspace.

        Raises:
            StorageError: The path is elsewhere.
        """
        if not path.is_relative_to(self.root):
            raise StorageError(
                f"{path} is not in the workspace {self.root}, and only files of the workspace are in {self.address}"
            )
        steps = path.relative_to(self.root).parts
        if steps[:1] == (RECORDINGS,) and len(steps) > 1:
            return S3Address(steps[1], "/".join(steps[2:]))
        return self.address / "/".join(steps)

    def path_of(self, address: S3Address) -> Path:
        """Return the path of a corpus with its own address."""
        return self.root / RECORDINGS / address.bucket / address.key

    def fetch_file(self, path: Path, *, immutable: bool = False) -> bool:
        """Download a file; return False if the workspace has none at this path.

        Args:
            path: The file.
            immutable: True for a file that never changes: one that is here already is kept.

        Raises:
            StorageError: S3 cannot be reached or refuses, or the file arrives damaged again and again.
        """
        if immutable and path.is_file():
            return True
        address = self.address_of(path)
        with self._transfers() as transfers:
            head = head_object(self._client, address, transfers.retries)
            if head is None:
                return False
            self._room([(path, head.size)])
            stored = StoredFile(path.name, address, head.size, etag=head.etag)
            transfers.download(stored, path, tally=Tally("fetch", total=head.size, progress=None))
        return True

    def fetch_below(self, folder: Path, *, wanted: Wanted = everything, keep: Wanted | None = None) -> bool:
        """Download files of a folder, published or not; return False if the workspace has no such folder.

        Args:
            folder: The folder.
            wanted: Returns True for the relative path of a file that is needed.
            keep: Returns True for a local file that must stay if others are evicted; None keeps all.

        Raises:
            StorageError: S3 cannot be reached or refuses, a file keeps arriving damaged, or there is no space.
        """
        try:
            with self._transfers() as transfers:
                fetch(
                    self.address_of(folder),
                    folder,
                    transfers,
                    wanted=wanted,
                    make_room=lambda files: self._room(files, keep=keep),
                )
        except NothingThereError:
            return False
        return True

    def has_any(self, folder: Path) -> bool:
        """Return True if there is any file below this path."""
        with self._transfers() as transfers:
            return bool(list_objects(self._client, self.address_of(folder), transfers.retries))

    def publish(self, folder: Path) -> None:
        """Upload a folder, visible as a whole. If another one is already there, it replaces this one.

        Raises:
            StorageError: S3 cannot be reached or refuses, or something writes to the folder.
        """
        try:
            with self._transfers() as transfers:
                publish(folder, self.address_of(folder), transfers)
        except DifferentFolderError:
            shutil.rmtree(folder)
            self.fetch_below(folder)

    def upload(self, paths: Sequence[Path], *, immutable: bool) -> None:
        """Upload files. They may be replaced meanwhile; then either version is uploaded.

        Args:
            paths: The files.
            immutable: True for files that never change: those that are there already are left alone.

        Raises:
            StorageError: S3 cannot be reached or refuses.
        """
        with self._transfers() as transfers:
            each_of(
                paths,
                lambda path: self._upload(path, transfers, immutable=immutable),
                threads=THREADS,
                stop=transfers.stop,
            )

    def _upload(self, path: Path, transfers: Transfers, *, immutable: bool) -> None:
        address = self.address_of(path)
        if immutable and head_object(self._client, address, transfers.retries) is not None:
            return
        with suppress(FileNotFoundError), _unchanging(path) as file:
            size = file.stat().st_size
            tally = Tally("publish", total=size, progress=None)
            transfers.upload(file, address, size=size, sha256=sha256_of(file), tally=tally)

    def agree(self, path: Path) -> None:
        """Make all machines use the same small file: the one that was written first.

        Raises:
            StorageError: S3 cannot be reached or refuses.
        """
        address, content = self.address_of(path), path.read_bytes()
        with self._transfers() as transfers:
            if not create_object(self._client, address, content, transfers.retries):
                first = read_object(self._client, address, transfers.retries)
                if first is None:
                    raise StorageError(f"{address} was just there and is gone; check who else deletes objects there")
                if first != content:
                    with replacing(path) as part:
                        part.write_bytes(first)

    def remove(self, folder: Path) -> None:
        """Delete all files below a path from the workspace in S3.

        Raises:
            StorageError: S3 cannot be reached or refuses.
        """
        with self._transfers() as transfers:
            delete_objects(self._client, self.address_of(folder), transfers.retries)

    def digest_of(self, address: S3Address) -> str:
        """Return 16 hexadecimal digits over the names, sizes and tags of all objects in a folder; empty for none.

        Raises:
            StorageError: S3 cannot be reached or refuses.
        """
        with self._transfers() as transfers:
            listed = list_objects(self._client, address, transfers.retries)
        lines = "".join(f"{each.path}\0{each.size}\0{each.etag}\n" for each in sorted(listed, key=lambda one: one.path))
        return hashlib.sha256(lines.encode()).hexdigest()[:16] if listed else ""

    def _room(self, files: Sequence[tuple[Path, int]], *, keep: Wanted | None = None) -> None:
        make_room(self.root, files, limit=self._limit, keep=keep)

    @contextmanager
    def _transfers(self) -> Iterator[Transfers]:
        """Yield new transfers: an error stops those of one call, and not those of later ones."""
        retries = self._patience()
        retries.answered |= self._answered
        try:
            with Transfers(self._client, retries) as transfers:
                yield transfers
        finally:
            self._answered |= retries.answered


def remote_workspace(root: Path, environment: Mapping[str, str] = os.environ) -> RemoteWorkspace | None:
    """Return the workspace in S3 that this process belongs to; None if the workspace is a folder.

    Raises:
        StorageError: The address is invalid, boto3 is missing, or its settings are wrong.
    """
    address = remote_address(environment)
    if address is None:
        return None
    return RemoteWorkspace(root, address, client=connect(), limit=scratch_bytes(environment))


@contextmanager
def _unchanging(path: Path) -> Iterator[Path]:
    """Yield a path of the file as it is now, even if another one takes its place meanwhile."""
    link = path.with_name(f".{path.name}.{secrets.token_hex(8)}.uploading")
    try:
        link.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        yield path
        return
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)
