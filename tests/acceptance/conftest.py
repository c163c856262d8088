"""What acceptance tests share: the gateway's certificate, trust and tokens, made once with the commands a user has."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.commands import GATEWAY, say
from tests.acceptance.daemon import Gateway, gone_afterwards
from tests.acceptance.plant import FakePlcs, copy_config, free_ports, running

#: How much faster than life the standing plant runs, so that its machines stand idle now and then.
TIME_SCALE = 8.0
#: The one server of the plant that has no security.
UNSECURED = "nanjing.cell-plc"


@dataclass(frozen=True, slots=True)
class Kit:
    """A data directory to copy, and the certificates of the fake plant."""

    data: Path
    plc_pki: Path

    @property
    def certificate(self) -> Path:
        """The gateway's own certificate."""
        return self.data / "pki" / "own" / "cert.der"

    def trust_all(self, sites: Iterable[FakePlcs]) -> None:
        """`gateway pki trust` for each server of these sites that has not been trusted yet."""
        trusted = {path.read_bytes() for path in (self.data / "pki" / "trusted").glob("*.der")}
        shown = [self.plc_pki / name / "cert.der" for site in sites for name in site.urls if name != UNSECURED]
        command = [GATEWAY, "pki", "trust", "--data-dir", str(self.data)]
        with ThreadPoolExecutor(2) as pool:
            for said in pool.map(
                lambda file: say([*command, str(file)]), [file for file in shown if file.read_bytes() not in trusted]
            ):
                said.ended(0)


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Made as a user makes it: a certificate and an operator's token."""
    root = tmp_path_factory.mktemp("kit")
    made = Kit(root / "data", root / "plc-pki")
    made.data.mkdir(mode=0o700)
    made.plc_pki.mkdir()
    say([GATEWAY, "pki", "init", "--data-dir", str(made.data)]).ended(0)
    create = [GATEWAY, "token", "create", "ann", "--role", "operator", "--out", str(made.data / "operator.token")]
    say([*create, "--data-dir", str(made.data)]).ended(0)
    return made


class StandingPlant:
    """Sites that run as long as the session, each started when it is first needed. Nobody kills or breaks them."""

    def __init__(self, kit: Kit, root: Path, stack: ExitStack) -> None:
        self.base = free_ports()
        self._kit, self._root, self._stack = kit, root, stack
        self._sites: dict[str, FakePlcs] = {}

    def start(self, *names: str) -> None:
        """Start these sites, if they do not run yet, and trust their servers."""
        kit = self._kit
        made = {
            name: FakePlcs(self._root, name, self.base, kit.plc_pki, kit.certificate, time_scale=TIME_SCALE)
            for name in names
            if name not in self._sites
        }
        self._stack.enter_context(running(list(made.values())))
        self._sites |= made
        kit.trust_all(made.values())

    def site(self, name: str) -> FakePlcs:
        """A site that was started."""
        return self._sites[name]


@pytest.fixture(scope="session")
def standing_plant(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingPlant]:
    """The plant for every test that does not break it."""
    with ExitStack() as stack:
        yield StandingPlant(kit, tmp_path_factory.mktemp("plant"), stack)


#: Makes a gateway on sites of the standing plant, started and connected if not told otherwise; `configured` may be others. The
#: first is the mother.
MakeGateway = Callable[..., Gateway]


def _maker(kit: Kit, plant: StandingPlant, new: Callable[[], Path], stack: ExitStack) -> MakeGateway:
    def make(*sites: str, configured: Sequence[str] = (), started: bool = True) -> Gateway:
        plant.start(*sites)
        gateway = prepared(new(), kit, configured or sites, plant.base)
        stack.enter_context(gone_afterwards(gateway))
        if started:
            gateway.start()
            gateway.until_flowing()
        return gateway

    return make


def prepared(root: Path, kit: Kit, sites: Sequence[str], base: int, *, grace: str = "60s") -> Gateway:
    """A gateway's directories: configuration of these sites, certificate, trust and token."""
    gateway = Gateway(root)
    copy_config(gateway.config, sites, base, grace=grace)
    shutil.copytree(kit.data, gateway.data)
    return gateway


@pytest.fixture
def gateway_on(kit: Kit, standing_plant: StandingPlant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGateway]:
    """Makes a gateway for one test."""
    with ExitStack() as stack:
        yield _maker(kit, standing_plant, lambda: tmp_path_factory.mktemp("gateway"), stack)


@pytest.fixture(scope="module")
def lasting_gateway_on(
    kit: Kit, standing_plant: StandingPlant, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeGateway]:
    """Makes a gateway for all tests of a module."""
    with ExitStack() as stack:
        yield _maker(kit, standing_plant, lambda: tmp_path_factory.mktemp("gateway"), stack)


@dataclass(frozen=True, slots=True)
class World:
    """Sites of one test's own, which it may kill and break, and a gateway that is ready to be started on them."""

    plcs: dict[str, FakePlcs]
    gateway: Gateway


#: Makes a world from the names of sites (the first is the mother).
MakeWorld = Callable[..., World]


@pytest.fixture
def world(kit: Kit, tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes a world for one test."""
    with ExitStack() as stack:

        def make(*sites: str, grace: str = "60s") -> World:
            base = free_ports()
            plcs = {site: FakePlcs(tmp_path, site, base, kit.plc_pki, kit.certificate) for site in sites}
            stack.enter_context(running(list(plcs.values())))
            kit.trust_all(plcs.values())
            return World(plcs, stack.enter_context(gone_afterwards(prepared(tmp_path, kit, sites, base, grace=grace))))

        yield make
