"""The real commands, as a user types them: each a process of its own, with what it said and how it ended."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

BIN = Path(sys.executable).parent
GATEWAY, FAKE_PLC = str(BIN / "gateway"), str(BIN / "fake-plc")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """Standard error as one line, however the terminal broke it."""
        return " ".join(self.err.split())

    def ended(self, code: int) -> "Said":
        """Itself, when it ended with `code`.

        Raises:
            AssertionError: it did not; with all it said.
        """
        assert self.code == code, f"{' '.join(self.command)} ended {self.code}, not {code}:\n{self.out}\n{self.err}"
        return self


def surroundings(extra: Mapping[str, str]) -> dict[str, str]:
    """An environment without what a developer may have set for a gateway of their own; lines are not broken."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "FAKE_PLC_"))}
    return kept | {"COLUMNS": "400", "NO_COLOR": "1"} | dict(extra)


def say(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, cwd: Path | None = None, limit: float = 60
) -> Said:
    """Run a command to its end."""
    done = subprocess.run(
        command, env=surroundings(environment or {}), cwd=cwd, capture_output=True, text=True, timeout=limit, check=False
    )
    return Said(tuple(command), done.returncode, done.stdout, done.stderr)


def until(probe: Callable[[], T], *, within: float, what: Callable[[], object] | str) -> T:
    """Ask `probe` again and again until its answer is true, and give that answer.

    Raises:
        AssertionError: not in time; `what` says what was waited for, or how things stand.
    """
    end = time.monotonic() + within
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)
