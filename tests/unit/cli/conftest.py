"""The command line in this process, against the real API over a daemon of paper, through a real socket."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvicorn

from gateway.api.app import create_app
from gateway.cli import main
from tests.fakes.services import OPERATOR, VIEWER, Paper


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, and no data directory of a demo, decides a test."""
    for name in ("URL", "DATA_DIR", "TOKEN_FILE", "TOKEN", "CONFIG_DIR"):
        monkeypatch.delenv(f"GATEWAY_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command may set up the logs of a daemon; the next test must not write to a stream that is gone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `gateway …` as `main` does, with its exit code."""

    def runner(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return runner


@pytest.fixture
def paper() -> Paper:
    """The daemon of paper; change it before asking."""
    return Paper()


@pytest.fixture
def url(paper: Paper) -> Iterator[str]:
    """The API of the daemon of paper on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(paper.services()), log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    listener.close()


@pytest.fixture
def data_dir(url: str, tmp_path: Path) -> Path:
    """A data directory as a running daemon leaves it, with an operator's token."""
    directory = tmp_path / "data-of-the-test"
    directory.mkdir()
    (directory / "gateway.json").write_text(json.dumps({"url": url}))
    (directory / "operator.token").write_text(OPERATOR + "\n")
    (directory / "viewer.token").write_text(VIEWER + "\n")
    return directory
