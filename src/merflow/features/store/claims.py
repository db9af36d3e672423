"""Claims on shards, for several processes and machines that fill one store.

    <key>/claims/<shard>.<generation>

A claim is a file that only one process can create, and its holder touches it as long as it lives. A claim is dead if
its holder has ended on this machine, or if the file has not been touched for ``expiry_s`` by this process's own clock,
so that the clocks of different machines need not agree. A process takes over a dead claim by creating the next
generation, which again only one process can do. A former holder that was only suspended finds that out before it
publishes its shard.
"""

import json
import os
import socket
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from merflow.features.store.shards import NO_LINKS
from merflow.storage.local import output_errors

HEARTBEAT_S = 10.0
# Well above the time for which network file systems may report an old modification time.
EXPIRY_S = 180.0


@dataclass(frozen=True)
class _Holder:
    """The process that holds a claim, as the claim's file describes it.

    Attributes:
        machine: Host, boot and process namespace.
        pid: Process number.
        started: Start time of the process as its system reports it; None if that is unknown.
    """

    machine: str
    pid: int
    started: str | None

    @classmethod
    def of(cls, pid: int) -> "_Holder":
        """Describe a process of this machine."""
        return cls(machine=_machine(), pid=pid, started=_start_of(pid))

    @classmethod
    def parse(cls, text: str) -> "_Holder | None":
        """Parse the text of a claim; return None if it is not written yet."""
        try:
            facts = json.loads(text)
            return cls(machine=facts.get("machine", ""), pid=int(facts["pid"]), started=facts.get("started"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    @property
    def ended(self) -> bool:
        """True if the holder was a process of this machine that has ended; False if that cannot be known."""
        return self.machine == _machine() and _start_of(self.pid) != self.started


class Claims:
    """The claims that this process holds in one folder; a context manager that releases all of them.

    Args:
        folder: ``<key>/claims``.
        heartbeat_s: Seconds between two touches of a held claim.
        expiry_s: Seconds without a touch after which a claim is dead.
    """

    def __init__(self, folder: Path, *, heartbeat_s: float = HEARTBEAT_S, expiry_s: float = EXPIRY_S) -> None:
        self._folder = folder
        self._heartbeat_s = heartbeat_s
        self._expiry_s = expiry_s
        self._content = json.dumps(asdict(_Holder.of(os.getpid()))).encode()
        self._held: dict[str, Path] = {}
        self._seen: dict[Path, tuple[int, float]] = {}  # claim of another -> its last touch, when we first saw that
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
        """Claim a shard; return True if this process may work on it from now on.

        After acquiring a claim, check whether the shard has been completed meanwhile.

        Raises:
            OutputError: The folder is read-only or the disk is full.
        """
        newest = self._newest(name)
        if newest and not self._dead(newest[-1]):
            return False
        claim = self._folder / f"{name}.{_generation(newest[-1]) + 1 if newest else 1}"
        with output_errors(claim):
            if not _create(claim, self._content):
                return False
        with self._lock:
            self._held[name] = claim
        for former in newest:
            former.unlink(missing_ok=True)
        return True

    def holds(self, name: str) -> bool:
        """Return True if this process may still publish the shard."""
        claim = self._held.get(name)
        return claim is not None and claim.exists() and self._newest(name)[-1:] == [claim]

    def release(self, name: str) -> None:
        """Release a shard that is complete or given up."""
        with self._lock:
            claim = self._held.pop(name, None)
        if claim is not None:
            claim.unlink(missing_ok=True)

    def remove_dead(self) -> None:
        """Delete the claims of holders that were killed, for example between finishing a shard and releasing it."""
        for claim in list(self._folder.glob("*.*")):
            if self._dead(claim):
                claim.unlink(missing_ok=True)

    def _newest(self, name: str) -> list[Path]:
        """Return the shard's claims, oldest generation first."""
        return sorted(self._folder.glob(f"{name}.*"), key=_generation)

    def _dead(self, claim: Path) -> bool:
        try:
            # Opening the file makes network file systems fetch its modification time again.
            with claim.open(encoding="utf-8") as file:
                touched = os.fstat(file.fileno()).st_mtime_ns
                holder = _Holder.parse(file.read())
        except OSError:
            return False  # it has just been released
        if holder is not None and holder.ended:
            return True
        now = time.monotonic()
        last_touched, since = self._seen.get(claim, (0, now))
        if touched != last_touched:
            since = now
        self._seen[claim] = (touched, since)
        return now - since >= self._expiry_s

    def _beat(self) -> None:
        while not self._closed.wait(self._heartbeat_s):
            with self._lock:
                held = list(self._held.values())
            for claim in held:
                with suppress(OSError):  # taken over, or the disk is unavailable for a moment
                    os.utime(claim)


def live_claims(folder: Path) -> list[Path]:
    """Return the claims whose holder may still be at work by the wall clock: a snapshot for housekeeping."""
    return [claim for claim in claim_files(folder) if not _ended_or_old(claim)]


def claim_files(folder: Path) -> list[Path]:
    """Return every claim in a folder, dead or alive."""
    return sorted(path for path in folder.glob("*.*") if path.is_file())


def _ended_or_old(claim: Path) -> bool:
    try:
        holder = _Holder.parse(claim.read_text(encoding="utf-8"))
        return (holder is not None and holder.ended) or time.time() - claim.stat().st_mtime > EXPIRY_S
    except OSError:
        return True


def _create(claim: Path, content: bytes) -> bool:
    """Create a claim that never appears without its content; return False if it exists already."""
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
    """Create a claim; see :func:`_create`. A process that dies within leaves an empty claim, which expires."""
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


def _machine() -> str:
    """Identify host, boot and process namespace: containers that share a host name may not share process numbers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - a link to no file
    return " ".join(parts)


def _start_of(pid: int) -> str | None:
    """Return the start time of a living process as its system reports it; None if it has ended, reaped or not."""
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
