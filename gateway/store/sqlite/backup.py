"""Copies of the twin and the ledger: made while the gateway runs, with a manifest, and put back where there is none.

A backup is a directory with one file a database and `manifest.json`, written last: without it a backup is none.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from gateway.errors import RequestRefused, StoreUnreadable
from gateway.store.sqlite.database import translated
from gateway.store.sqlite.directory import LEDGER_FILE, TWIN_FILE, claim

MANIFEST_FILE: Final = "manifest.json"
_FORMAT: Final = 1
_DATABASES: Final = (TWIN_FILE, LEDGER_FILE)


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """One database in a backup. `schema` is its `PRAGMA user_version`."""

    name: str
    bytes: int
    sha256: str
    schema: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds, and when and by which version it was made (ISO 8601, UTC)."""

    format: int
    gateway: str
    began: str
    finished: str
    files: tuple[CopiedFile, ...]


async def backup(directory: Path, target: Path) -> Manifest:
    """Copy the databases of a data directory, live or not, into the new or empty directory `target`.

    Each copy is its database at one moment; writers are not held up. The copies are checked before the manifest is written.

    Raises:
        RequestRefused: `target` holds something already, or `directory` holds no twin.
        StoreFull: no space left at the target; what was copied is removed.
        StoreError: anything else; what was copied is removed.
    """
    return await asyncio.to_thread(_backup, directory, target)


async def restore(source: Path, directory: Path) -> Manifest:
    """Put the databases of a backup into a data directory that has none.

    Raises:
        RequestRefused: the data directory has databases already.
        StoreInUse: a gateway runs on it.
        StoreUnreadable: the backup is incomplete, or differs from its manifest; nothing was restored.
        StoreFull: no space left; nothing was restored.
    """
    return await asyncio.to_thread(_restore, source, directory)


def _backup(directory: Path, target: Path) -> Manifest:
    if not (directory / TWIN_FILE).exists():
        raise RequestRefused(f"{directory} holds no {TWIN_FILE}: give the gateway's data directory")
    with translated(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise RequestRefused(f"{target} is not empty: give a new directory for the backup")
    began = _now()
    names = [name for name in _DATABASES if (directory / name).exists()]
    try:
        with translated(target):
            copies = tuple(_copy(directory / name, target / name) for name in names)
            manifest = Manifest(_FORMAT, version("mother-factory-gateway"), began, _now(), copies)
            _write_durably(target / MANIFEST_FILE, json.dumps(asdict(manifest), indent=2).encode() + b"\n")
    except BaseException:  # Ctrl-C too: half a backup must not be taken for a whole one
        for left in target.iterdir():  # all of it ours: it was empty, and SQLite leaves journals beside an unfinished copy
            left.unlink(missing_ok=True)
        raise
    return manifest


def _copy(source: Path, target: Path) -> CopiedFile:
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as live, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        # In one step: one read transaction, so one moment. In several, every commit would make it start again.
        live.backup(copy)
        # One file without a write-ahead log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        [(sound,)] = copy.execute("PRAGMA quick_check(1)").fetchall()
        if sound != "ok":
            raise StoreUnreadable(f"{source} is damaged ({sound}): the backup was given up; `gateway twin verify` says more")
        [(schema,)] = copy.execute("PRAGMA user_version").fetchall()
    target.chmod(0o600)
    _sync(target)
    return CopiedFile(target.name, target.stat().st_size, _digest(target), schema)


def _restore(source: Path, directory: Path) -> Manifest:
    manifest = _read_manifest(source)
    with claim(directory):
        # A write-ahead log left behind counts too: SQLite would apply it to the restored file.
        present = sorted(file.name for name in _DATABASES for file in directory.glob(f"{name}*"))
        if present:
            raise RequestRefused(
                f"{directory} holds {', '.join(present)} already: move them away, or restore into another data directory"
            )
        for file in manifest.files:
            _check(source / file.name, file)
        partial = [(directory / f"{file.name}.restoring", directory / file.name) for file in manifest.files]
        try:
            with translated(directory):
                for fresh, final in partial:
                    shutil.copyfile(source / final.name, fresh)
                    fresh.chmod(0o600)
                    _sync(fresh)
                for fresh, final in partial:
                    fresh.rename(final)
                _sync(directory)
        except BaseException:  # Ctrl-C too: a data directory is restored as a whole or not at all
            for fresh, final in partial:
                fresh.unlink(missing_ok=True)
                final.unlink(missing_ok=True)
            raise
    return manifest


def _read_manifest(source: Path) -> Manifest:
    try:
        document: dict[str, Any] = json.loads((source / MANIFEST_FILE).read_bytes())
        files = tuple(CopiedFile(**file) for file in document.pop("files"))
        manifest = Manifest(files=files, **document)
    except FileNotFoundError as error:
        raise StoreUnreadable(f"{source} holds no {MANIFEST_FILE}: it is no backup, or one that was not finished") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreUnreadable(f"{source / MANIFEST_FILE} cannot be read ({error}): use another backup") from error
    if manifest.format != _FORMAT or not {file.name for file in files} <= set(_DATABASES) or not files:
        raise StoreUnreadable(f"{source / MANIFEST_FILE} is of a format this gateway does not know: use the gateway that made it")
    return manifest


def _check(path: Path, file: CopiedFile) -> None:
    with translated(path):
        if not path.exists() or path.stat().st_size != file.bytes or _digest(path) != file.sha256:
            raise StoreUnreadable(f"{path} is not what its manifest says: the backup is damaged; use another one")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_durably(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".partial")
    fresh.write_bytes(content)
    _sync(fresh)
    fresh.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
