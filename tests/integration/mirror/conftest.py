"""A mirror of one fake PLC, into a real twin store."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fake_plc.endpoint import Endpoint as FakeEndpoint
from fake_plc.endpoint import EndpointOptions
from fake_plc.pki import ClientTrust
from fake_plc.plant_table import PLANT
from gateway.documents import load_plant
from gateway.mirror.report import EndpointReport, EndpointState
from gateway.mirror.service import Mirror
from gateway.opcua.equipment import UaDialer
from gateway.opcua.pki import Pki
from gateway.plant.equipment_class import Plant, Site
from gateway.plant.ports import Reading
from gateway.runtime.surroundings import SystemClock
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from tests.peers.waiting import until

PASSWORD = "only-for-tests"
CONFIG = Path(__file__).parents[3] / "config"


@dataclass
class Bench:
    """The fake PLC, its mirror and the twin."""

    plc: FakeEndpoint
    mirror: Mirror
    twin: SqliteTwin
    plant: Plant

    @property
    def report(self) -> EndpointReport:
        """The one endpoint's report."""
        (report,) = self.mirror.reports()
        return report

    def balanced(self) -> bool:
        """The loss account adds up now."""
        report = self.report
        return report.received == report.stored + sum(report.rejected.values()) + report.in_flight

    def inject(self, fault: str, **arguments: Any) -> None:
        """Switch a fault on."""
        self.plc.injector.inject(fault, arguments)

    async def until(self, condition: Callable[[], bool], deadline_s: float = 30.0) -> None:
        """Wait for a condition; the account must add up all the while."""

        async def holds() -> bool:
            assert self.balanced(), self.report
            return condition()

        await until(holds, deadline_s=deadline_s, what=lambda: str(self.report))

    async def until_connected(self, *, sessions: int) -> None:
        """Wait until data flows in at least the given number of sessions since the start."""
        seen = self.report.stored

        def flows() -> bool:
            report = self.report
            return report.sessions_created >= sessions and report.state is EndpointState.CONNECTED and report.stored > seen

        await self.until(flows)

    async def until_reading(self, path: str, condition: Callable[[Reading], bool]) -> Reading:
        """Wait until the current reading of one tag is as wanted."""

        async def met() -> Reading | None:
            reading = await self.value(path)
            return reading if condition(reading) else None

        found = await until(met, deadline_s=15, what=lambda: f"a reading of {path}")
        assert found is not None
        return found

    async def value(self, path: str) -> Reading:
        """The current reading of one tag."""
        (reading,) = await self.twin.current(path, now=time.time_ns(), grace_ns=60 * 10**9)
        return reading


def only(plant: Plant, key: str, url: str) -> Plant:
    """The plant reduced to one endpoint, which listens at `url`."""
    site_name, _, name = key.partition(".")
    site = next(site for site in plant.sites if site.name == site_name)
    endpoint = replace(next(each for each in site.endpoints if each.name == name), url=url, publishing_ms=200.0)
    lines = tuple(replace(line, equipment=tuple(item for item in line.equipment if item.endpoint == name)) for line in site.lines)
    reduced = Site(site.name, site.title, site.country, site.locale, (endpoint,), lines)
    return replace(plant, sites=(reduced,))


@pytest.fixture
def mirrored(tmp_path: Path) -> Callable[[str], Any]:
    """`async with mirrored("ochang.electrode-plc") as bench`: everything up, data flowing."""
    pki = Pki(tmp_path / "pki")
    pki.create("localhost")
    (tmp_path / "plc-pki").mkdir()

    @asynccontextmanager
    async def bench(key: str) -> AsyncIterator[Bench]:
        options = EndpointOptions("127.0.0.1", 0, 1, 1.0, tmp_path / "plc-pki", ClientTrust((pki.certificate_file,)))
        spec = next(spec for spec in PLANT if spec.key == key)
        plc = FakeEndpoint(spec, options, PASSWORD if spec.user else None)
        await plc.start()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(plc.stop)
            if spec.policy != "None":
                pki.trust(str(tmp_path / "plc-pki" / key / "cert.der"))
            data = stack.enter_context(claim(tmp_path / "data", ballast_bytes=0))
            twin = await stack.enter_async_context(open_twin(data, SystemClock()))
            plant = only(load_plant(CONFIG), key, plc.url)
            dialer = UaDialer(pki, lambda _: PASSWORD, timeout=5.0)
            mirror = await stack.enter_async_context(Mirror.start(plant, twin, dialer, SystemClock()))
            running = Bench(plc, mirror, twin, plant)
            await running.until_connected(sessions=1)
            yield running

    return bench


Mirrored = Callable[[str], Any]
