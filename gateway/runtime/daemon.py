"""The daemon: everything built, started in order, stopped in reverse. Nothing acknowledged is lost on the way out."""

import asyncio
import contextlib
import importlib.metadata
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from gateway.api.app import create_app
from gateway.api.server import listen, serve
from gateway.api.services import Services
from gateway.api.tokens import TOKENS_FILE, TokenFile
from gateway.documents import load_plant
from gateway.errors import ConfigurationError, GatewayError
from gateway.mirror.report import EndpointReport, EndpointState
from gateway.mirror.service import Mirror
from gateway.observability.logging import LogTail, configure_logging
from gateway.observability.metrics import Metrics
from gateway.observability.notify import ServiceManager
from gateway.opcua.equipment import UaDialer
from gateway.opcua.pki import Pki, expiry_ns
from gateway.plant.equipment_class import Plant
from gateway.runtime.recipe_room import open_pushes
from gateway.runtime.surroundings import SystemClock, read_secret
from gateway.settings import Settings
from gateway.store.sqlite.backup import backup
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from gateway.store.sqlite.upkeep import Policy

_MAINTAIN_S = 5.0
RUNNING_FILE = "gateway.json"  #: in the data directory: where the daemon listens, for the command line
_log = structlog.get_logger(__name__)


def read_settings(overrides: Mapping[str, Any]) -> Settings:
    """Settings from the environment, with the command line's words on top.

    Raises:
        ConfigurationError: a value is wrong; names the variable.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as fault:
        raise ConfigurationError(
            [f"GATEWAY_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in fault.errors()]
        ) from fault


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running daemon, for whoever started it in this process."""

    url: str
    mirror: Mirror
    twin: SqliteTwin
    plant: Callable[[], Plant]
    reload: Callable[[], Awaitable[Mapping[str, Any]]]


def version() -> str:
    """The installed version."""
    return importlib.metadata.version("mother-factory-gateway")


class _Configuration:
    """The plant in force, and how it is read again."""

    def __init__(self, directory: Path, plant: Plant) -> None:
        self.directory = directory
        self.plant = plant

    async def reload(self, mirror: Mirror) -> Mapping[str, Any]:
        """Read the files again; a faulty configuration changes nothing.

        Raises:
            ConfigurationError: the new files are wrong; the old configuration stays in force.
        """
        plant = await asyncio.to_thread(load_plant, self.directory)
        changed = await mirror.reload(plant)
        self.plant = plant
        _log.info("configuration reloaded", **{name: len(keys) for name, keys in changed.items()})
        return changed


@asynccontextmanager
async def daemon(settings: Settings, logs: LogTail) -> AsyncIterator[Daemon]:
    """Start everything, yield while it runs, and stop it in reverse order.

    Raises:
        GatewayError: something kept it from starting; says what and how to mend it.
    """
    clock = SystemClock()
    configuration = _Configuration(settings.config_dir, load_plant(settings.config_dir))
    pki = Pki(settings.pki)
    if any(endpoint.policy != "None" for endpoint in configuration.plant.endpoints()):
        pki.own()  # says how to make one
    async with AsyncExitStack() as stack:
        data = stack.enter_context(claim(settings.data_dir, ballast_bytes=settings.ballast_mb * 2**20))
        listening = listen(settings.http_host, settings.http_port)
        stack.callback(listening.close)
        twin = await stack.enter_async_context(open_twin(data, clock, Policy(keep_ns=round(settings.retention_days * 86_400e9))))
        dialer = UaDialer(pki, read_secret, settings.connect_timeout_s)
        pushes = await stack.enter_async_context(
            open_pushes(data, dialer, clock, lambda: configuration.plant, settings.config_dir)
        )
        mirror = await stack.enter_async_context(Mirror.start(configuration.plant, twin, dialer, clock))
        metrics = Metrics(
            version=version(),
            mirror=mirror,
            twin=twin,
            clock=clock,
            pushes=pushes.outcomes,
            certificate_expires=lambda: expiry_ns(pki.own()) if pki.exists() else None,
            data_dir=settings.data_dir,
        )

        async def copy(target: Path) -> Mapping[str, Any]:
            return asdict(await backup(data.path, target))

        services = Services(
            version=version(),
            clock=clock,
            twin=twin,
            mirror=mirror,
            plant=lambda: configuration.plant,
            tokens=TokenFile(settings.data_dir / TOKENS_FILE),
            metrics=metrics.scrape,
            ready=lambda: _readiness(mirror),
            reload=lambda: configuration.reload(mirror),
            backup=copy,
            log_tail=logs.records,
            pushes=pushes,
        )
        url = await stack.enter_async_context(serve(create_app(services), listening))
        await stack.enter_async_context(_background({"maintenance": _maintain(twin), "event loop": metrics.watch_event_loop()}))
        stack.enter_context(_advertised(settings.data_dir, url))
        yield Daemon(url, mirror, twin, lambda: configuration.plant, lambda: configuration.reload(mirror))


@asynccontextmanager
async def _background(work: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run loops beside the block, which ends when one of them fails: a daemon that is only half there must not look alive."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each, name=name) for name, each in work.items()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


@contextlib.contextmanager
def _advertised(data_dir: Path, url: str) -> Iterator[None]:
    """Say in the data directory where we listen, for as long as we do."""
    path = data_dir / RUNNING_FILE
    path.write_text(json.dumps({"url": url, "pid": os.getpid()}) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


async def _maintain(twin: SqliteTwin) -> None:
    """Seal and retain in the background; a full disk or a damaged block is logged, and tried again."""
    while True:
        await asyncio.sleep(_MAINTAIN_S)
        try:
            await twin.maintain()
        except GatewayError as fault:
            _log.error("maintenance of the twin failed", reason=str(fault))
        except Exception as fault:  # noqa: BLE001 - mirroring goes on without sealing; the defect is logged whole at every round
            _log.error("maintenance of the twin failed unexpectedly", exc_info=fault)


def _readiness(mirror: Mirror) -> tuple[bool, Sequence[str]]:
    """Ready: every enabled endpoint has been tried, and the store takes values."""
    reasons = [f"{each.site}/{each.endpoint}: first connection under way" for each in mirror.reports() if _untried(each)]
    if not mirror.alive:
        reasons.append("a loop of the mirror has ended; restart the gateway and report its log")
    if mirror.ingest.trouble:
        reasons.append(f"the store takes no values: {mirror.ingest.trouble}")
    return not reasons, reasons


def _untried(report: EndpointReport) -> bool:
    return report.state is EndpointState.CONNECTING and not report.reason and not report.sessions_created


async def _reload_on_request(running: Daemon, requested: asyncio.Event, manager: ServiceManager) -> None:
    """Read the configuration again whenever asked; a faulty one is logged and changes nothing."""
    while True:
        await requested.wait()
        requested.clear()
        manager.reloading()
        try:
            await running.reload()
        except GatewayError as fault:
            _log.error("configuration not reloaded; the old one stays in force", reason=str(fault))
        except Exception as fault:  # noqa: BLE001 - the next SIGHUP must still be heard; the defect is logged whole
            _log.error("reload failed unexpectedly", exc_info=fault)
        manager.ready(f"serving {running.url}")


async def run(settings: Settings, logs: LogTail) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
    manager = ServiceManager.from_environment()
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    async with daemon(settings, logs) as running:
        _log.info("gateway runs", url=running.url, data=str(settings.data_dir), endpoints=len(running.plant().endpoints()))
        manager.ready(f"serving {running.url}")
        work = {
            "watchdog": manager.keep_watchdog(lambda: running.mirror.alive),
            "reload": _reload_on_request(running, reload, manager),
        }
        async with _background(work):
            await stop.wait()
        manager.stopping("closing sessions and storing what was received")
        _log.info("gateway stops")


def run_daemon(overrides: Mapping[str, Any]) -> None:
    """Read settings, set up logs, and run until told to stop (`gateway run`).

    Raises:
        GatewayError: it could not start.
    """
    settings = read_settings(overrides)
    logs = configure_logging(settings.log_format, settings.log_level)
    asyncio.run(run(settings, logs))
