"""The push service against a fake PLC: documents, ledger, OPC UA driver and controller, all real."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fake_plc.endpoint import TICK_SECONDS, Endpoint, EndpointOptions
from fake_plc.pki import ClientTrust
from fake_plc.plant_table import PLANT
from gateway.documents import load_plant, load_recipe, parse_recipes
from gateway.opcua.equipment import UaDialer
from gateway.opcua.pki import Pki
from gateway.plant.equipment_class import Plant
from gateway.recipes.journal import Journal
from gateway.recipes.recipe import SiteOverlay
from gateway.recipes.run import PushTimings
from gateway.recipes.service import PushService, PushStatus, ServiceTimings
from gateway.store.sqlite.ledger import open_ledger
from tests.integration.fake_plc.conftest import eventually

CONFIG = Path(__file__).parents[3] / "config"
PASSWORD = "only-for-tests"
TIMINGS = PushTimings(ready=5.0, reach=10.0, poll=0.05, retry=0.1)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Bench:
    """One controller and a push service that may push into it."""

    plc: Endpoint
    service: PushService
    journal: Journal

    async def push(self, recipe: str, target: str, *, key: str = "k") -> PushStatus:
        """Push a recipe text and wait for its end."""
        id = await self.service.submit(recipe, "recipe.yaml", target, "jan", key)
        return await self.ended(id)

    async def ended(self, id: int) -> PushStatus:
        """Follow a push to its end."""
        last = None
        async with asyncio.timeout(30):
            async for status in self.service.watch(id):
                last = status
        assert last is not None
        return last

    async def next_cycle(self) -> None:
        """Wait until the controller has run two whole cycles: what was just changed in it now shows in its nodes."""
        begun = self.plc.elapsed
        await eventually(lambda: self.plc.elapsed >= begun + 2 * TICK_SECONDS)

    def held(self, equipment: str) -> dict[str, object]:
        """What the controller holds, by node."""
        return dict(self.plc.handshakes[equipment].active)


def recipe_text(name: str) -> str:
    """A recipe of the example configuration."""
    return (CONFIG / "recipes" / f"{name}.yaml").read_text("utf-8")


def overlay(site: str, recipe: str, version: str) -> SiteOverlay | None:
    """The example configuration's overlay."""
    path = CONFIG / "overlays" / f"{site}-{recipe}.yaml"
    for document in load_recipe(path) if path.exists() else []:
        if isinstance(document, SiteOverlay) and document.recipe_version == version:
            return document
    return None


def plant_at(url: str, endpoint: str) -> Plant:
    """The example plant with one endpoint where the test's controller listens."""
    plant = load_plant(CONFIG)
    sites = tuple(
        replace(
            site,
            endpoints=tuple(
                replace(item, url=url) if item.key.replace("/", ".") == endpoint else item for item in site.endpoints
            ),
        )
        for site in plant.sites
    )
    return replace(plant, sites=sites)


@pytest.fixture(scope="session")
def gateway_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The gateway's certificate, made once."""
    pki = Pki(tmp_path_factory.mktemp("gateway-pki"))
    pki.create("127.0.0.1")
    return pki


@asynccontextmanager
async def bench_at(key: str, pki: Pki, directory: Path) -> AsyncIterator[Bench]:
    """A running controller (`site.endpoint`), its machines standing still, and a push service."""
    spec = next(item for item in PLANT if item.key == key)
    options = EndpointOptions("127.0.0.1", 0, 1, 1.0, directory / "plc-pki", ClientTrust((pki.certificate_file,)))
    plc = Endpoint(spec, options, PASSWORD if spec.user else None)
    for machine in plc.machines.values():
        machine.cycle.stop()
    await plc.start()
    try:
        if spec.policy != "None":
            pki.trust(str(directory / "plc-pki" / key / "cert.der"))
        plant = plant_at(plc.url, key)
        dialer = UaDialer(pki, lambda secret: PASSWORD)
        async with open_ledger(directory / "ledger.db") as ledger:
            service = PushService(
                journal=ledger, dialer=dialer, clock=SystemClock(), plant=lambda: plant, parse=parse_recipes, overlays=overlay,
                push_timings=TIMINGS, timings=ServiceTimings(rest=0.2, drain=5.0),
            )  # fmt: skip
            async with service:
                yield Bench(plc, service, ledger)
    finally:
        await plc.stop()
