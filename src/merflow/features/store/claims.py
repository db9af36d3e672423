"""Who works on which shard, where several processes and machines fill one store.

    <key>/claims/<shard>.<generation>

A claim is a file that only one process can create. While its holder lives it touches the file; a claim is dead when its
holder's process is gone from this machine, or when the file has not moved for ``expiry_s`` as this process' own clock
counts, so that clocks of different machines need not agree. A dead claim is taken over by creating the next generation,
which again only one process can do. The former holder, if it was merely asleep, finds that out before it publishes.
"""

import json
import os
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from merflow.features.store.shards import NO_LINKS
from merflow.storage.local import output_errors

HEARTBEAT_S = 10.0
# Well above the time for which network file systems may show an old time of change.
EXPIRY_S = 180.0


class Claims:
    """The claims that this process holds in one folder; a context manager that lets go of all of them.

    Args:
        folder: ``<key>/claims``.
        heartbeat_s: How often held claims are touched.
        expiry_s: A claim that has not moved for so long is dead.
    """

    def __init__(self, folder: Path, *, heartbeat_s: float = HEARTBEAT_S, expiry_s: float = EXPIRY_S) -> None:
        self._folder = folder
        self._heartbeat_s = heartbeat_s
        self._expiry_s = expiry_s
        self._identity = json.dumps(_identity(os.getpid())).encode()
        self._held: dict[str, Path] = {}
        self._seen: dict[Path, tuple[int, float]] = {}  # claim of another -> its time of change, when we first saw it
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="claims", daemon=True)

    def __enter__(self) -> "Claims":
        with output_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._pulse.join()
        for name in list(self._held):
            self.release(name)

    def acquire(self, name: str) -> bool:
        """Whether this process may work on the shard from now on.

        Whoever acquires a claim looks whether the shard is complete by now, before it begins.

        Raises:
            OutputError: The folder is read-only, the disk full.
        """
        newest = self._newest(name)
        if newest and not self._dead(newest[-1]):
            return False
        claim = self._folder / f"{name}.{_generation(newest[-1]) + 1 if newest else 1}"
        with output_errors(claim):
            if not _create(claim, self._identity):
                return False
        with self._lock:
            self._held[name] = claim
        for former in newest:
            former.unlink(missing_ok=True)
        return True

    def holds(self, name: str) -> bool:
        """Whether the shard is still this process' to publish."""
        claim = self._held.get(name)
        return claim is not None and claim.exists() and self._newest(name)[-1:] == [claim]

    def release(self, name: str) -> None:
        """Lets go of a shard that is complete or given up."""
        with self._lock:
            claim = self._held.pop(name, None)
        if claim is not None:
            claim.unlink(missing_ok=True)

    def _newest(self, name: str) -> list[Path]:
        """The shard's claims, oldest generation first."""
        return sorted(self._folder.glob(f"{name}.*"), key=_generation)

    def _dead(self, claim: Path) -> bool:
        try:
            # Opening, not only asking, makes network file systems fetch the time anew.
            with claim.open(encoding="utf-8") as file:
                moved = os.fstat(file.fileno()).st_mtime_ns
                holder = file.read()
        except OSError:
            return False  # released this moment
        if _gone(holder):
            return True
        now = time.monotonic()
        last_moved, since = self._seen.get(claim, (0, now))
        if moved != last_moved:
            since = now
        self._seen[claim] = (moved, since)
        return now - since >= self._expiry_s

    def _beat(self) -> None:
        while not self._closed.wait(self._heartbeat_s):
            with self._lock:
                held = list(self._held.values())
            for claim in held:
                with suppress(OSError):  # taken over, or the disk is away for a moment
                    os.utime(claim)


def live_claims(folder: Path) -> list[Path]:
    """Claims in a folder whose holder may still be at work, by the wall clock: one moment's view, for housekeeping."""
    return [claim for claim in claim_files(folder) if not _gone_or_old(claim)]


def claim_files(folder: Path) -> list[Path]:
    """Every claim in a folder, dead or alive."""
    return sorted(path for path in folder.glob("*.*") if path.is_file())


def _gone_or_old(claim: Path) -> bool:
    try:
        return _gone(claim.read_text(encoding="utf-8")) or time.time() - claim.stat().st_mtime > EXPIRY_S
    except OSError:
        return True


def _create(claim: Path, content: bytes) -> bool:
    """Makes a claim that is never seen without its content, or leaves the one that is there."""
    handle, name = tempfile.mkstemp(dir=claim.parent, prefix=f".{claim.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        part.chmod(0o644)
        claim.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return _create_without_links(claim, content)
    finally:
        part.unlink(missing_ok=True)
    return True


def _create_without_links(claim: Path, content: bytes) -> bool:
    """As :func:`_create`; a process that dies within it leaves an empty claim, which expires."""
    try:
        handle = os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return True


def _generation(claim: Path) -> int:
    suffix = claim.suffix.removeprefix(".")
    return int(suffix) if suffix.isdigit() else 0


def _gone(holder: str) -> bool:
    """Whether the holder was a process of this machine that is no more; False where that cannot be known."""
    try:
        told = json.loads(holder)
        pid = int(told["pid"])
    except (ValueError, KeyError, TypeError):
        return False  # not written yet
    if told.get("machine") != _machine():
        return False
    return bool(_started(pid) != told.get("started"))


def _identity(pid: int) -> dict[str, object]:
    return {"machine": _machine(), "pid": pid, "started": _started(pid)}


def _machine() -> str:
    """Host, boot and process namespace: containers that share a name do not share process numbers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - a link to no file
    return " ".join(parts)


def _started(pid: int) -> str | None:
    """When a living process began, as its system tells it; None where it is gone (or was killed and not yet reaped)."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return "alive" if _answers(pid) else None
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
