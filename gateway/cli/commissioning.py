"""`gateway check`, `probe`, `browse`: before an endpoint is mirrored. Nothing is written to any equipment."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import Progress
from rich.text import Text

from gateway.cli.exit_codes import ExitCode
from gateway.cli.files import must_be_new, write
from gateway.cli.options import CONFIG_NAMES, ConfigDir, Json, LocalDataDir, data_directory
from gateway.cli.output import console, error_console, print_json, say, styled, table, warn
from gateway.cli.words import counted
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.plant.equipment_class import Endpoint, Plant

_DEFAULT_CONFIG = Path("config")
_Server = Annotated[str, typer.Argument(metavar="ENDPOINT", help="opc.tcp://HOST:PORT, or site/endpoint of the configuration.")]
_Config = Annotated[
    Path | None, typer.Option(*CONFIG_NAMES, envvar="GATEWAY_CONFIG_DIR", help="The configuration that names the endpoint.")
]
_PkiDir = Annotated[Path | None, typer.Option(help="Our certificates, where they are elsewhere [GATEWAY_PKI_DIR].")]
_Policy = Annotated[str | None, typer.Option(help="Security policy, such as Basic256Sha256 or None.")]
_Mode = Annotated[str | None, typer.Option(help="Security mode: SignAndEncrypt, Sign or None.")]
_User = Annotated[str | None, typer.Option(help="User name; default: the configuration's, or anonymous.")]
_PasswordEnv = Annotated[str | None, typer.Option(help="The environment variable that holds the user's password.")]
#: What `check` counts, in words.
_COUNTED: Final = {
    "sites": ("site",), "endpoints": ("endpoint",), "equipment": ("piece of equipment", "pieces of equipment"),
    "tags": ("tag",), "recipe_files": ("recipe or overlay file", "recipe and overlay files"),
}  # fmt: skip
#: A complaint of a document, in its parts; the field is left out where a file as a whole is wrong.
_COMPLAINT: Final = re.compile(r"(?P<file>.*?):(?P<line>\d+): (?:(?P<field>[^\s:]+): )?(?P<message>.*)", re.DOTALL)
_Timeout = Annotated[float, typer.Option(min=0.5, max=120, help="Seconds for one request.")]


def check(
    config: ConfigDir = _DEFAULT_CONFIG,
    online: Annotated[
        bool, typer.Option("--online", help="Also open a session with every endpoint and look for every node.")
    ] = False,
    data_dir: LocalDataDir = None,
    pki_dir: _PkiDir = None,
    timeout: _Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Check the configuration: every fault of every file at once, without a network; --online also against the equipment.

    Exit code 5 when a file is faulty, 1 when equipment cannot be reached or does not conform.
    """
    try:
        plant, recipes = _load(config)
    except ConfigurationError as error:
        if as_json:
            print_json({"faults": [_fault(complaint) for complaint in error.complaints]})
        raise
    document: dict[str, Any] = {
        "sites": len(plant.sites),
        "endpoints": len(plant.endpoints()),
        "equipment": len(plant.equipment()),
        "tags": sum(len(item.equipment_class.tags) for item in plant.equipment()),
        "recipe_files": recipes,
    }
    bad = False
    if online:
        from gateway.runtime.tools import check_online  # noqa: PLC0415 -- OPC UA is slow to import

        with Progress(console=error_console(), transient=True) as progress, _hushed():
            bar = progress.add_task("asking endpoints", total=sum(endpoint.enabled for endpoint in plant.endpoints()))
            checks = check_online(config, _pki(data_dir, pki_dir), timeout, checked=lambda _: progress.advance(bar))
        document["online"] = [asdict(item) for item in checks]
        bad = any(item.problem or any(finding.severity == "fault" for finding in item.findings) for item in checks)
    if as_json:
        print_json(document)
    else:
        _print_check(document)
    if bad:
        raise typer.Exit(ExitCode.NEGATIVE)


def _load(config: Path) -> "tuple[Plant, int]":
    """The plant, and how many recipe and overlay files there are; the complaints of all files at once."""
    from gateway.documents import load_plant, load_recipe  # noqa: PLC0415 -- pydantic is slow to import

    complaints: list[str] = []
    plant = None
    try:
        plant = load_plant(config)
    except ConfigurationError as error:
        complaints += error.complaints
    files = [file for folder in ("recipes", "overlays") for file in sorted((config / folder).glob("*.yaml"))]
    for file in files:
        try:
            load_recipe(file)
        except ConfigurationError as error:
            complaints += error.complaints
    if complaints or plant is None:
        raise ConfigurationError(complaints)
    return plant, len(files)


def _fault(complaint: str) -> dict[str, Any]:
    parts = _COMPLAINT.fullmatch(complaint)
    if parts is None:
        return {"file": "", "line": 0, "field": "", "message": complaint}
    return {"file": parts["file"], "line": int(parts["line"]), "field": parts["field"] or "", "message": parts["message"]}


def _print_check(document: dict[str, Any]) -> None:
    out = console()
    for checked in document.get("online", ()):
        state = styled("no session", "bad") if checked["problem"] else styled("session", "good")
        problem = f": {checked['problem']}" if checked["problem"] else ""
        words = Text.assemble(checked["endpoint"], " ", state, f", {counted(checked['items'], 'tag')}{problem}")
        out.print(words, soft_wrap=True)
        for finding in checked["findings"]:
            severity = styled(finding["severity"], "bad" if finding["severity"] == "fault" else "uncertain")
            cure = f" → {finding['cure']}" if finding["cure"] else ""
            words = Text.assemble("  ", severity, f" {finding['equipment']}/{finding['tag']}: {finding['problem']}{cure}")
            out.print(words, soft_wrap=True)
    say(f"The files are sound: {', '.join(counted(document[key], *words) for key, words in _COUNTED.items())}.")
    if "online" in document:
        _print_online(document["online"])


def _print_online(checks: list[dict[str, Any]]) -> None:
    """What came of the equipment, in one line."""
    of = counted(len(checks), "endpoint")
    deaf = sum(bool(checked["problem"]) for checked in checks)
    faults = sum(finding["severity"] == "fault" for checked in checks for finding in checked["findings"])
    said = [f"{deaf} of {of} gave no session"] if deaf else []
    said += [f"the equipment has {counted(faults, 'fault')}"] if faults else []
    if said:
        console().print(styled(f"{', '.join(said).capitalize()}.", "bad"), soft_wrap=True)
    else:
        say(f"{of} gave a session and conform{'s' if len(checks) == 1 else ''}.".capitalize())


def probe(
    server: _Server,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the suggested site file here (a new file).")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="With --out: overwrite a file that is there.")] = False,
    config: _Config = None,
    data_dir: LocalDataDir = None,
    pki_dir: _PkiDir = None,
    policy: _Policy = None,
    mode: _Mode = None,
    user: _User = None,
    password_env: _PasswordEnv = None,
    timeout: _Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """What a server offers: security, operation limits, filters, history; and a site file to begin with.

    Exit code 1 when it answers but no session could be opened, 3 when it does not answer.
    """
    from gateway.runtime.tools import probe_endpoint  # noqa: PLC0415 -- OPC UA is slow to import

    must_be_new(out, replace=replace, hint="choose a new file, or overwrite it with --replace")
    endpoint = _endpoint(server, config, policy=policy, mode=mode, user=user, password_env=password_env)
    with error_console().status(f"asking {endpoint.url}"), _hushed():
        document = asdict(probe_endpoint(endpoint, _pki(data_dir, pki_dir), timeout))
    if as_json:
        print_json(document)
    else:
        _print_probe(document, shows_file=out is None)
    if document["problem"]:
        if out is not None:
            warn(f"{out} was not written: without a session a site file would only be guessed.")
        raise typer.Exit(ExitCode.NEGATIVE)
    if out is not None:
        write(out, document["site_file"], replace=replace)
        if not as_json:
            say(f"A site file to begin with is in {out}.")


def _print_probe(document: dict[str, Any], *, shows_file: bool) -> None:
    made = table(["policy", "mode", "users", "we can"])
    for offer in document["offers"]:
        can = styled("yes", "good") if offer["supported"] else styled("no", "bad")
        made.add_row(offer["policy"], offer["mode"], ", ".join(offer["users"]), can)
    console().print(made)
    for fingerprint in dict.fromkeys(offer["fingerprint"] for offer in document["offers"] if offer["fingerprint"]):
        say(f"certificate (SHA-256)\n  {fingerprint}")
    facts = document["facts"]
    if facts is None:
        console().print(styled(f"No session: {document['problem']}", "bad"), soft_wrap=True)
    else:
        say(f"product {facts['product']} {facts['software_version']}".rstrip())
        limits = table(["operation limit", ("the server says", "right")])
        for name, value in facts["limits"].items():
            limits.add_row(name.replace("_", " "), "none" if value is None else str(value))
        console().print(limits)
        for kind, taken in document["filters"].items():
            say(f"{kind} deadband: {'nothing to try it on' if taken is None else 'taken' if taken else 'refused'}")
        say(f"history: {'kept for some variables' if document['history'] else 'none found'}")
        if facts["clock_offset_s"] is not None:
            say(f"clock: {facts['clock_offset_s']:+.3f} s against ours")
    if shows_file:
        say("\nA site file to begin with:\n")
        say(document["site_file"])


def browse(
    server: _Server,
    below: Annotated[str | None, typer.Option(help="NodeId to begin at, 'nsu=URI;s=…'; default: Objects.")] = None,
    depth: Annotated[int, typer.Option(min=1, max=20, help="How many levels down.")] = 3,
    config: _Config = None,
    data_dir: LocalDataDir = None,
    pki_dir: _PkiDir = None,
    policy: _Policy = None,
    mode: _Mode = None,
    user: _User = None,
    password_env: _PasswordEnv = None,
    timeout: _Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """The address space of a server as a tree, with types and NodeIds as site files need them."""
    from gateway.runtime.tools import browse_endpoint  # noqa: PLC0415 -- OPC UA is slow to import

    endpoint = _endpoint(server, config, policy=policy, mode=mode, user=user, password_env=password_env)
    with error_console().status(f"browsing {endpoint.url}"), _hushed():
        nodes = browse_endpoint(endpoint, _pki(data_dir, pki_dir), below, depth, timeout)
    if as_json:
        print_json([asdict(node) for node in nodes])
        return
    made = table(["name", "kind", "type", "node"])
    for node in nodes:
        made.add_row(Text("  " * node.depth + node.name), node.kind, node.type, Text(node.node))
    console().print(made)


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing from asyncua's own logs: what matters of it is in our message."""
    logger = logging.getLogger("asyncua")
    nowhere, propagate = logging.NullHandler(), logger.propagate
    logger.addHandler(nowhere)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagate
        logger.removeHandler(nowhere)


def _endpoint(
    server: str, config: Path | None, *, policy: str | None, mode: str | None, user: str | None, password_env: str | None
) -> "Endpoint":
    from gateway.runtime.tools import configured_endpoint, with_access  # noqa: PLC0415 -- OPC UA is slow to import

    if config is None and (_DEFAULT_CONFIG / "plant.yaml").exists():
        config = _DEFAULT_CONFIG
    endpoint = configured_endpoint(server, config)
    return with_access(endpoint, policy=policy, mode=mode, user=user, password_env=password_env)


def _pki(data_dir: Path | None, pki_dir: Path | None) -> Path:
    from gateway.runtime.daemon import read_settings  # noqa: PLC0415 -- everything is slow to import

    return read_settings({"data_dir": data_directory(data_dir), "pki_dir": pki_dir}).pki
