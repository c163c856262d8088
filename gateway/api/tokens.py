"""API tokens: a file of hashes in the data directory. The token itself is shown once and never stored here.

`tokens.json` (mode 0600): `{"tokens": [{"name": …, "role": "viewer"|"operator", "sha256": …, "created": …}]}`.
A token has 256 random bits, so one SHA-256 of it is enough: there is nothing to guess.
"""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import ConfigurationError, RequestRefused

TOKENS_FILE = "tokens.json"
_PREFIX = "mfg_"


class Role(StrEnum):
    """What a bearer may do: a viewer reads, an operator also acts and sees masked values."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks."""

    name: str
    role: Role

    @property
    def acts(self) -> bool:
        """True when this identity may change something, and see what recipes hold."""
        return self.role is Role.OPERATOR


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    role: str
    sha256: str
    created: str


class TokenFile:
    """The tokens of one data directory. The file is read again whenever it changes on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: tuple[_Entry, ...] = ()
        self._seen: tuple[int, int, int] | None = None

    def check(self, bearer: str) -> Identity | None:
        """The identity behind `bearer`, or None. Takes the same time whichever token it is.

        Raises:
            ConfigurationError: the file is damaged.
        """
        self._refresh()
        digest = _digest(bearer)
        found: Identity | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.sha256, digest):
                found = Identity(entry.name, Role(entry.role))
        return found

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._entries, self._seen = (), None
            return
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        if mark != self._seen:
            self._entries, self._seen = _read(self._path), mark


def create_token(directory: Path, name: str, role: Role, *, created: str, replace: bool = False) -> str:
    """Make a token, keep its hash in `directory/tokens.json`, and give the token: it cannot be shown again.

    `created` is an ISO 8601 time. With `replace` an older token of that name is dropped.

    Raises:
        RequestRefused: there is a token of that name already.
        ConfigurationError: the file is damaged.
    """
    path = directory / TOKENS_FILE
    entries = list(_read(path)) if path.exists() else []
    if any(entry.name == name for entry in entries) and not replace:
        raise RequestRefused(f"{path} already has a token named '{name}': choose another name, or replace it with --replace")
    token = _PREFIX + secrets.token_urlsafe(32)
    kept = [entry for entry in entries if entry.name != name]
    _write(path, [*kept, _Entry(name, role.value, _digest(token), created)])
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _read(path: Path) -> tuple[_Entry, ...]:
    try:
        document = json.loads(path.read_text("utf-8"))
        entries = tuple(_Entry(**entry) for entry in document["tokens"])
        for entry in entries:
            Role(entry.role)
            if len(entry.sha256) != 64:
                raise ValueError("a hash has not 64 digits")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError([f"{path}: damaged ({error}): make new tokens with 'gateway token create'"]) from error
    return entries


def _write(path: Path, entries: Sequence[_Entry]) -> None:
    """Replace the file as a whole, so that a reader never sees half of it; readable by the owner alone."""
    content = json.dumps({"tokens": [asdict(entry) for entry in entries]}, indent=2) + "\n"
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tokens-")  # mkstemp gives mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:  # Ctrl-C too: half a file must not stay behind
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
