"""Files that commands leave: new ones, in directories that are made for them, and never a traceback."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError, RequestRefused

_PRIVATE: Final = 0o600


def must_be_new(path: Path | None, *, replace: bool = False, hint: str = "choose a new file") -> None:
    """Refuse a file that exists already, before any work is done.

    Raises:
        RequestRefused: it exists, and is not to be replaced.
    """
    if path is not None and path.is_dir():
        raise RequestRefused(f"{path} is a directory: name a file")
    if path is not None and path.exists() and not replace:
        raise RequestRefused(f"{path} exists: {hint}")


def write(path: Path, content: str | bytes, *, replace: bool = False) -> None:
    """Write a file and the directories it lies in.

    Raises:
        RequestRefused: it exists, and is not to be replaced.
        GatewayError: it cannot be written; says why.
    """
    raw = content.encode() if isinstance(content, str) else content
    _make_directory(path.parent)
    try:
        with path.open("wb" if replace else "xb") as file:
            file.write(raw)
    except FileExistsError as error:
        raise RequestRefused(f"{path} exists: choose a new file") from error
    except OSError as error:
        raise _unwritable(path, error) from error


def write_private(path: Path, make: Callable[[], str]) -> None:
    """Write what `make` gives to a new file that its owner alone can read; `make` is called once the file can be written.

    Raises:
        RequestRefused: it exists.
        GatewayError: it cannot be written; says why.
    """
    _make_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError as error:
        raise RequestRefused(f"{path} exists: choose a new file") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make())
    except BaseException as error:  # Ctrl-C too: half a file must not stay behind
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> GatewayError:
    return GatewayError(f"{path} cannot be written: {error.strerror or error}")
