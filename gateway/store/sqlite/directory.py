"""The data directory: held by one gateway at a time, with some space set aside for the day the disk is full."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.errors import StoreInUse
from gateway.store.sqlite.database import translated

LOCK_FILE: Final = "gateway.lock"
TWIN_FILE: Final = "twin.db"
LEDGER_FILE: Final = "ledger.db"
BALLAST_FILE: Final = "ballast"
#: Several times what a write-ahead log grows to between checkpoints (4 MiB): emptying it into the file may take that much first.
BALLAST_BYTES: Final = 16 << 20


class Ballast:
    """A file that only takes up space. Released on a full disk, so that gaps can still be recorded."""

    def __init__(self, directory: Path, size: int) -> None:
        self._path = directory / BALLAST_FILE
        self.size = size

    @property
    def reserved(self) -> bool:
        """True while the space is held."""
        return self._path.exists()

    def reserve(self) -> bool:
        """Take the space where at least twice as much is free; True when it is held afterwards."""
        if self.reserved and self._path.stat().st_size == self.size:
            return True
        try:
            if shutil.disk_usage(self._path.parent).free < 2 * self.size:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
        except OSError:
            # No room or no support after all: living without the ballast is better than not starting.
            self._path.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> None:
        """Give the space back."""
        self._path.unlink(missing_ok=True)


class DataDirectory:
    """A data directory that this process holds."""

    def __init__(self, path: Path, ballast: Ballast) -> None:
        self.path = path
        self.ballast = ballast

    @property
    def twin(self) -> Path:
        """The twin's database."""
        return self.path / TWIN_FILE

    @property
    def ledger(self) -> Path:
        """The ledger's database."""
        return self.path / LEDGER_FILE


@contextmanager
def claim(path: Path, *, ballast_bytes: int = BALLAST_BYTES) -> Iterator[DataDirectory]:
    """Hold the data directory at `path` (created with mode 0700 if missing) until the block ends.

    The lock is the kernel's (flock): it ends with the process, however that ends.

    Raises:
        StoreInUse: another process holds it.
        StoreError: it cannot be created or written.
    """
    with translated(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise StoreInUse(
                f"data directory {path} is in use by the gateway with process id {holder};"
                " stop that one, or choose another directory"
            ) from error
        with translated(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        ballast = Ballast(path, ballast_bytes)
        ballast.reserve()
        yield DataDirectory(path, ballast)
    finally:
        os.close(descriptor)
