"""A fake plant as processes that a test starts, kills and disturbs, and the configuration that describes it."""

import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.commands import FAKE_PLC, say, surroundings, until

EXAMPLE = Path(__file__).parents[2] / "config"
#: Passwords that must never be seen anywhere; by the variable that the site files refer to.
PASSWORDS = {f"{site}_PASSWORD": f"pw-{site.lower()}-7Q4x" for site in ("OCHANG", "WROCLAW", "NANJING")}
_PORT = re.compile(r"(opc\.tcp://127\.0\.0\.1:)484(\d\d)\b")
_START_S = 60.0
_OFFSETS = range(1, 40)


def free_ports() -> int:
    """A base above which the fake plant's ports are free, below the range from which the kernel gives out its own."""
    for base in range(20_000, 32_000, 50):
        if all(_free(base + offset) for offset in _OFFSETS):
            return base
    raise AssertionError("no fifty free ports between 20000 and 32000")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def copy_config(target: Path, sites: Sequence[str], base: int, *, grace: str = "60s") -> None:
    """The example configuration with these sites only (the first is the mother), where the fake plant listens."""
    shutil.copytree(EXAMPLE, target, ignore=lambda folder, names: names if Path(folder).name in ("sites", "overlays") else [])
    plant = target / "plant.yaml"
    plant.write_text(re.sub(r"mother: \w+", f"mother: {sites[0]}", plant.read_text()).replace("grace: 60s", f"grace: {grace}"))
    for site in sites:
        add_site(target, site, base)


def add_site(config: Path, site: str, base: int) -> Path:
    """Put a site of the example, with its overlays, into a configuration; gives its file."""
    text = (EXAMPLE / "sites" / f"{site}.yaml").read_text("utf-8")
    file = config / "sites" / f"{site}.yaml"
    file.write_text(_PORT.sub(lambda found: f"{found[1]}{base + int(found[2])}", text), "utf-8")
    for overlay in (EXAMPLE / "overlays").glob(f"{site}-*.yaml"):
        shutil.copy(overlay, config / "overlays")
    return file


class FakePlcs:
    """One process with the servers of a site, or of the whole plant ("plant"). It keeps its certificates over restarts."""

    def __init__(self, directory: Path, what: str, base: int, pki: Path, trust: Path, *, time_scale: float = 1.0) -> None:
        self.what = what
        self._ready, self._log = directory / f"{what}.ready.json", directory / f"{what}.log"
        self._control = directory / f"{what}.sock"
        self._command = [
            FAKE_PLC, *(["plant"] if what == "plant" else ["run", what]), "--port-base", str(base), "--pki-dir", str(pki),
            "--trust", str(trust), "--ready-file", str(self._ready), "--control", str(self._control),
            "--time-scale", str(time_scale),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start, and wait for nothing."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=surroundings(PASSWORDS), stdout=log, stderr=log)

    def listen(self) -> None:
        """Wait until every server listens."""
        process = self._process
        assert process is not None
        until(
            lambda: self._ready.is_file() or process.poll() is not None, within=_START_S, what=lambda: f"fake plant: {self._log}"
        )
        assert process.poll() is None, self._log.read_text()

    @property
    def urls(self) -> dict[str, str]:
        """The URL of each endpoint, by `site.endpoint`."""
        urls: dict[str, str] = json.loads(self._ready.read_text())["endpoints"]
        return urls

    def kill(self) -> None:
        """As by a power cut: SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop in good order, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def fault(self, endpoint: str, name: str, **arguments: object) -> str:
        """`fake-plc fault`: switch a fault on at `site.endpoint`."""
        given = [f"{key}={value}" for key, value in arguments.items()]
        return say([FAKE_PLC, "fault", endpoint, name, *given, "--control", str(self._control)]).ended(0).out


@contextmanager
def running(plcs: Sequence[FakePlcs]) -> Iterator[None]:
    """The processes while the block runs; they start side by side."""
    try:
        for each in plcs:
            each.launch()
        for each in plcs:
            each.listen()
        yield
    finally:
        for each in plcs:
            each.stop()
