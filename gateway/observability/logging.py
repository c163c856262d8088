"""Logs: JSON lines in a daemon, readable on a terminal, and a bounded tail in memory for support bundles.

structlog and the standard library's loggers (ours, uvicorn's, asyncua's) leave through one handler, so that both look the
same and both are rid of secrets.
"""

import logging
import re
import sys
from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["json", "console", "auto"]

_SECRET_KEY = re.compile(r"pass(word|phrase)?$|secret|token|authorization|credential|private_key|api_key", re.IGNORECASE)
_SECRET_TEXT: Final = (
    (re.compile(r"mfg_[A-Za-z0-9_-]{16,}"), "mfg_***"),  # our own tokens
    (re.compile(r"(?i)\b(bearer\s+)[^\s\"',]+"), r"\1***"),
    (re.compile(r"(?i)\b((?:password|passphrase|passwd|secret)[\"']?\s*[=:]\s*)[^\s,;&)}]+"), r"\1***"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@]+):[^@\s/]+@"), r"\1:***@"),  # user:password@ in a URL
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), "***"),
)
#: Libraries that say too much at INFO: asyncua logs every publish result with its values, httpx every request, uvicorn
#: that it began and ended, which our own log says too.
_QUIET: Final = ("asyncua", "aiosqlite", "httpx", "httpcore", "uvicorn.access", "uvicorn.error", "asyncio")
_DEPTH: Final = 6


class LogTail:
    """The latest log records, oldest first, as JSON-safe mappings."""

    def __init__(self, size: int = 2000) -> None:
        self._records: deque[Mapping[str, Any]] = deque(maxlen=size)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Processor: keep a copy."""
        self._records.append({key: _plain(value) for key, value in event.items() if not key.startswith("_")})
        return event

    def records(self) -> list[Mapping[str, Any]]:
        """A copy of what is kept."""
        return list(self._records)


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Processor: replace secrets by `***`, by the name of their field and by their look."""
    return {key: "***" if _secret(key, value) else _clean(value, _DEPTH) for key, value in event.items()}


def _without_colours(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Processor: leave out uvicorn's second copy of the message, with a terminal's colours in it."""
    event.pop("color_message", None)
    return event


def _secret(key: str, value: Any) -> bool:
    return _SECRET_KEY.search(key) is not None and value is not None and not isinstance(value, bool | int | float)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        for pattern, instead in _SECRET_TEXT:
            value = pattern.sub(instead, value)
        return value
    if depth and isinstance(value, Mapping):
        return {key: "***" if _secret(str(key), item) else _clean(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_clean(item, depth - 1) for item in value]
    if isinstance(value, BaseException):
        return _clean(str(value), depth)
    return value


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def configure_logging(
    style: LogFormat = "auto", level: str = "INFO", *, stream: TextIO | None = None, tail: LogTail | None = None
) -> LogTail:
    """Send every log of this process to `stream` (standard error) and keep a tail of it.

    `auto` is `console` on a terminal, else `json`. Raises ValueError for an unknown level.
    """
    out = sys.stderr if stream is None else stream
    kept = LogTail() if tail is None else tail
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"'{level}' is no log level: use DEBUG, INFO, WARNING or ERROR")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _without_colours],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                kept,
                _renderer(style, out),
            ],
        )
    )
    _route_standard_library(handler, number)
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,  # a module's logger made before this call must follow it
    )
    return kept


def _renderer(style: LogFormat, out: TextIO) -> Processor:
    terminal = out.isatty()
    if style == "console" or (style == "auto" and terminal):
        return structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=structlog.dev.plain_traceback)
    return _JSON


def _json(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> str:
    rendered = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)(logger, method, event)
    assert isinstance(rendered, str)
    return rendered


_JSON: Final[Processor] = _json


def _route_standard_library(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn brings handlers of its own
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
