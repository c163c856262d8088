"""`gateway demo`: the bundled fake plant and a gateway in one, on any laptop, with nothing else installed.

The fake plant is a process of its own, as equipment is; the demo makes what a person would make by hand for a real
plant: passwords, certificates on both sides and the trust between them, a token for the API.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.api.tokens import Role, create_token
from gateway.documents import load_plant
from gateway.errors import ConfigurationError, RequestRefused, Unreachable
from gateway.mirror.report import EndpointReport
from gateway.observability.logging import configure_logging
from gateway.opcua.pki import Pki
from gateway.runtime.daemon import daemon, read_settings

TOKEN_FILE = "operator.token"  # noqa: S105 - a file's name
_PORT_BASE = 48400
_PORT = re.compile(r"(opc\.tcp://127\.0\.0\.1:)484(\d\d)\b")
_PLANT_STARTS_S = 60.0
_SECRET_ENV = re.compile(r"\{env:\s*([A-Z0-9_]+)\}")


def example_config() -> Path:
    """The example plant: beside the code in a checkout, under share/ where the gateway is installed.

    Raises:
        ConfigurationError: neither is there.
    """
    places = (Path(__file__).parents[2] / "config", Path(sys.prefix) / "share" / "mother-factory-gateway" / "config")
    for place in places:
        if (place / "plant.yaml").is_file():
            return place
    raise ConfigurationError(
        [f"the example plant is missing: neither {places[0]} nor {places[1]} exists; install the gateway again"]
    )


def _free(base: int) -> bool:
    """True when the fake plant's ports from `base` on are free."""
    for port in range(base + 1, base + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _port_base() -> int:
    """Where the fake plant can listen: its usual ports, else a hundred that are free."""
    bases: list[int] = [_PORT_BASE, *range(20_000, 32_000, 100)]
    for base in bases:
        if _free(base):
            return base
    raise RequestRefused("no free ports for the fake plant on 127.0.0.1 between 20000 and 32000")


def _copy_config(directory: Path, base: int) -> Path:
    """The example plant with the ports of this demo, its passwords in files beside it."""
    target = directory / "config"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(example_config(), target)
    for file in (target / "sites").glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        text = _PORT.sub(lambda found: f"{found[1]}{base + int(found[2])}", text)
        file.write_text(_SECRET_ENV.sub(r"{file: ../passwords/\1}", text), encoding="utf-8")
    return target


def _passwords(directory: Path) -> dict[str, str]:
    """A password for every variable that the example's site files refer to, kept in files of mode 0600; made once."""
    sites = (example_config() / "sites").glob("*.yaml")
    names = sorted({name for file in sites for name in _SECRET_ENV.findall(file.read_text(encoding="utf-8"))})
    place = directory / "passwords"
    place.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        if not (place / name).is_file():
            with os.fdopen(os.open(place / name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(18) + "\n")
    return {name: (place / name).read_text(encoding="utf-8").strip() for name in names}


@contextmanager
def _fake_plant(
    directory: Path, base: int, pki: Pki, passwords: dict[str, str], *, seed: int, time_scale: float
) -> Iterator[None]:
    """Run the fake plant until the block ends.

    Raises:
        Unreachable: it did not start; its last words are in the message.
    """
    ready, log = directory / "fake-plc.json", directory / "fake-plc.log"
    ready.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "fake_plc",
        "plant",
        "--port-base",
        str(base),
        "--seed",
        str(seed),
        "--time-scale",
        str(time_scale),
        "--pki-dir",
        str(directory / "fake-plc-pki"),
        "--trust",
        str(pki.certificate_file),
        "--ready-file",
        str(ready),
    ]
    environment = {**os.environ, **passwords}
    # A session of its own: Ctrl-C is for the gateway, which then closes its sessions with a plant that is still there.
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True) as plant,  # noqa: S603 - our own command
    ):
        try:
            until = time.monotonic() + _PLANT_STARTS_S
            while not ready.is_file():
                if plant.poll() is not None or time.monotonic() > until:
                    words = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-5:])
                    raise Unreachable(f"the fake plant did not start (its log is {log}):\n{words}")
                time.sleep(0.05)
            yield
        finally:
            plant.send_signal(signal.SIGTERM)
            try:
                plant.wait(5)
            except subprocess.TimeoutExpired:
                plant.kill()


def _trust_all(directory: Path, pki: Pki, config: Path) -> int:
    """Trust the fake plant's own certificates: what a person does with 'gateway pki trust' after a look at each."""
    wanted = [endpoint for endpoint in load_plant(config).endpoints() if endpoint.policy != "None"]
    for endpoint in wanted:
        certificate = directory / "fake-plc-pki" / f"{endpoint.site}.{endpoint.name}" / "cert.der"
        if not pki.is_trusted(certificate.read_bytes()):
            pki.trust(str(certificate))
    return len(wanted)


def _token(directory: Path) -> Path:
    """An operator's token in the data directory, mode 0600; made once."""
    path = directory / TOKEN_FILE
    if not path.is_file():
        token = create_token(
            directory, "demo", Role.OPERATOR, created=datetime.now(UTC).isoformat(timespec="seconds"), replace=True
        )
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token + "\n")
    return path


def run_demo(
    *,
    data_dir: Path,
    port: int = 8080,
    duration: float | None = None,
    seed: int = 1,
    time_scale: float = 1.0,
    started: Callable[[dict[str, str]], None],
    show: Callable[[Sequence[EndpointReport]], None],
) -> list[EndpointReport]:
    """Run fake plant and gateway until `duration` seconds have passed, SIGINT or SIGTERM; returns the last reports.

    `started` is told once where everything is; `show` gets the endpoints' reports about once a second.

    Raises:
        GatewayError: something kept it from starting.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = _port_base()
    config = _copy_config(data_dir, base)
    passwords = _passwords(data_dir)
    pki = Pki(data_dir / "pki")
    if not pki.exists():
        pki.create()
    token = _token(data_dir)
    settings = read_settings({"config_dir": config, "data_dir": data_dir, "http_port": port})
    with (data_dir / "gateway.log").open("a", encoding="utf-8") as log:
        logs = configure_logging("json", settings.log_level, stream=log)
        with _fake_plant(data_dir, base, pki, passwords, seed=seed, time_scale=time_scale):
            _trust_all(data_dir, pki, config)

            async def mirror() -> list[EndpointReport]:
                stop = asyncio.Event()
                for number in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
                until = None if duration is None else time.monotonic() + duration
                async with daemon(settings, logs) as running:
                    started(_where(data_dir, running.url, token))
                    while not stop.is_set() and (until is None or time.monotonic() < until):
                        show(running.mirror.reports())
                        rest = 1.0 if until is None else min(1.0, max(0.0, until - time.monotonic()))
                        try:
                            async with asyncio.timeout(rest):
                                await stop.wait()
                        except TimeoutError:
                            continue
                    return running.mirror.reports()

            return asyncio.run(mirror())


def _where(data_dir: Path, url: str, token: Path) -> dict[str, str]:
    us = os.path.relpath(sys.argv[0]) if Path(sys.argv[0]).name == "gateway" else "gateway"
    here = f"--data-dir {data_dir}"
    coater = "ochang/electrode/line-1/coater-1"
    plant = json.loads((data_dir / "fake-plc.json").read_text(encoding="utf-8"))
    return {
        "API": f"{url}/api/v1",
        "API description": f"{url}/api/v1/openapi.json",
        "metrics": f"{url}/metrics",
        "token": str(token),
        "data": str(data_dir),
        "configuration": str(data_dir / "config"),
        "gateway's log": str(data_dir / "gateway.log"),
        "try": f"{us} recipe push {data_dir / 'config' / 'recipes' / 'electrode-coating.yaml'} --to {coater} --wait {here}",
        "and": f"{us} why {coater}/Process/CoatWeight {here}",
        "fake plant": f"process {plant.get('pid', '?')}, log {data_dir / 'fake-plc.log'}",
    }
