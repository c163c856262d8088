"""Faults that can be switched on while an endpoint runs: a table of them, and what each does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from asyncua import ua

from fake_plc.equipment.machine import Machine
from fake_plc.errors import FakePlcRefused, FaultRefused
from fake_plc.machine_nodes import Disturbance
from fake_plc.signals import Parameter

if TYPE_CHECKING:
    from fake_plc.endpoint import Endpoint

_log = logging.getLogger(__name__)

ANSWER_FIRST_SECONDS = 0.1
"""Faults that cut the caller's own connection wait this long, so that the caller still gets its answer."""


@dataclass(frozen=True)
class Argument:
    """One argument of a fault: its type on the wire and its default; None where it must be given."""

    name: str
    type: Literal["String", "Double", "UInt32"]
    default: str | float | int | None
    description: str


@dataclass(frozen=True)
class Fault:
    """One kind of fault, named as on the command line."""

    name: str
    description: str
    arguments: tuple[Argument, ...] = ()

    @property
    def method_name(self) -> str:
        """Its method of the Simulation object."""
        return "".join(part.capitalize() for part in self.name.split("-"))


_TAG = Argument("tag", "String", None, "EQUIPMENT/PATH, as coater-1/Process/CoatWeight (class path or the site's)")
_EQUIPMENT = Argument("equipment", "String", None, "name of the equipment, as coater-1")

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("drop-connections", "Reset every TCP connection; new ones are accepted."),
        Fault(
            "silence", "Accept connections and requests but answer nothing, then go on.",
            (Argument("seconds", "Double", 10.0, "how long"),),
        ),
        Fault("lose-session", "Forget every session; the connections stay."),
        Fault("lose-subscription", "Forget every subscription; the sessions stay."),
        Fault(
            "restart", "Power cycle: namespaces in another order, a new BootId, staging lost, all other faults cleared.",
            (Argument("down", "Double", 0.0, "seconds without power"),),
        ),
        Fault("slow-answers", "Delay every answer.", (Argument("ms", "Double", 500.0, "milliseconds"),)),
        Fault(
            "small-limits", "Publish and enforce small OperationLimits: BadTooManyOperations above them.",
            (Argument("operations", "UInt32", 50, "operations in one request"),),
        ),
        Fault(
            "bad-quality", "Show a tag with a bad or uncertain status.",
            (_TAG, Argument("status", "String", "BadSensorFailure", "name of the StatusCode")),
        ),
        Fault("sensor-drift", "Let a numeric tag drift.", (_TAG, Argument("rate", "Double", 0.1, "class units per second"))),
        Fault("clock-offset", "Set the clock wrong.", (Argument("seconds", "Double", 3600.0, "ahead; negative: behind"),)),
        Fault(
            "local-edit", "An operator changes an active recipe parameter at the panel.",
            (
                _EQUIPMENT,
                Argument("parameter", "String", None, "node name or recipe name, as CoatSpeed or coat_speed"),
                Argument("value", "String", None, "new value, in the parameter's unit"),
            ),
        ),
        Fault("refuse-write", "Refuse every write with BadDeviceFailure."),
        Fault("half-write", "Write the first half of each request's items, refuse the rest with BadResourceUnavailable."),
        Fault(
            "fail-commit", "Let the next Commit of a recipe fail while it is applied.",
            (_EQUIPMENT, Argument("how", "String", "restored", "restored: old values put back; broken: half applied, Faulted")),
        ),
        Fault(
            "slow-commit", "Let every Commit stay in Committing.",
            (_EQUIPMENT, Argument("seconds", "Double", 5.0, "how long")),
        ),
        Fault("interlock", "Open an interlock of the machine: not ReadyForChange.", (_EQUIPMENT,)),
        Fault("trip", "Trip the machine: Faulted until Reset is called.", (_EQUIPMENT,)),
        Fault("clear", "End every lasting fault. What has happened (lost sessions, local edits) stays."),
    )
}  # fmt: skip


@dataclass
class RequestFaults:
    """Faults in how requests are served."""

    write: Literal["", "refuse", "half"] = ""
    max_operations: int = 1000
    """Operations in one request, also published as OperationLimits; 0 is unlimited."""


NORMAL_OPERATIONS = RequestFaults().max_operations


@dataclass
class ActiveFaults:
    """Every lasting fault of one endpoint."""

    requests: RequestFaults = field(default_factory=RequestFaults)
    disturbances: dict[str, dict[str, Disturbance]] = field(default_factory=dict)
    """Equipment name → class path → what disturbs it."""

    interlocks: set[str] = field(default_factory=set)

    def of(self, equipment: str) -> dict[str, Disturbance]:
        """The disturbances of one machine."""
        return self.disturbances.setdefault(equipment, {})

    def clear(self) -> None:
        """End them all, in place: servers hold references to these objects."""
        self.requests.write = ""
        self.requests.max_operations = NORMAL_OPERATIONS
        for found in self.disturbances.values():
            found.clear()
        self.interlocks.clear()


Value = str | float | int | bool


_CASTS: Mapping[str, Callable[[Any], Value]] = {"Double": float, "UInt32": int, "String": str}


def parse_arguments(fault: Fault, given: Mapping[str, object]) -> dict[str, Value]:
    """Typed arguments of ``fault`` from text or numbers. FaultRefused names what is unknown, missing or malformed."""
    known = {argument.name for argument in fault.arguments}
    unknown = sorted(set(given) - known)
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        raise FaultRefused(f"{fault.name}: no argument {', '.join(unknown)}; it takes {allowed}")
    found: dict[str, Value] = {}
    for argument in fault.arguments:
        raw = given.get(argument.name, argument.default)
        if raw is None or raw == "":
            raise FaultRefused(f"{fault.name}: {argument.name}= is missing: {argument.description}")
        try:
            found[argument.name] = _CASTS[argument.type](raw)
        except (ValueError, TypeError):
            raise FaultRefused(f"{fault.name}: {argument.name}={raw} is not a {argument.type}") from None
    return found


class FaultInjector:
    """Does faults to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._tasks: set[asyncio.Task[None]] = set()
        self._actions: Mapping[str, Callable[[dict[str, Value]], str]] = {
            "drop-connections": lambda _: self._soon(self._endpoint.wire.cut, "connections dropped"),
            "silence": self._silence,
            "lose-session": lambda _: self._soon(self._lose_sessions, "sessions forgotten"),
            "lose-subscription": lambda _: self._soon(self._lose_subscriptions, "subscriptions forgotten"),
            "restart": self._restart,
            "slow-answers": self._slow_answers,
            "small-limits": self._small_limits,
            "bad-quality": self._bad_quality,
            "sensor-drift": self._sensor_drift,
            "clock-offset": self._clock_offset,
            "local-edit": self._local_edit,
            "refuse-write": lambda _: self._writes("refuse"),
            "half-write": lambda _: self._writes("half"),
            "fail-commit": self._fail_commit,
            "slow-commit": self._slow_commit,
            "interlock": self._interlock,
            "trip": self._trip,
            "clear": lambda _: self._clear(),
        }  # fmt: skip

    def inject(self, name: str, given: Mapping[str, object]) -> str:
        """Begin fault ``name``; returns what was done. FaultRefused if it cannot be."""
        fault = FAULTS.get(name)
        if fault is None:
            raise FaultRefused(f"no fault '{name}'; there are {', '.join(FAULTS)}")
        return self._actions[name](parse_arguments(fault, given))

    async def close(self) -> None:
        """End what is still under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- the network ---------------------------------------------------------------------------------------------

    def _soon(self, action: Callable[[], Awaitable[None]], done: str) -> str:
        async def act() -> None:
            await asyncio.sleep(ANSWER_FIRST_SECONDS)
            try:
                await action()
            except FakePlcRefused as refusal:
                _log.error("fault not carried out: %s", refusal)

        task = asyncio.create_task(act(), name=f"fault on {self._endpoint.spec.key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return done

    def _silence(self, arguments: dict[str, Value]) -> str:
        async def silence() -> None:
            self._endpoint.wire.fall_silent(True)
            try:
                await asyncio.sleep(float(arguments["seconds"]))
            finally:
                self._endpoint.wire.fall_silent(False)

        return self._soon(silence, f"silent for {arguments['seconds']} s")

    async def _lose_sessions(self) -> None:
        for session in list(self._endpoint.server.internal.clients.values()):
            await session.close_session(True)

    async def _lose_subscriptions(self) -> None:
        service = self._endpoint.server.internal.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))

    def _restart(self, arguments: dict[str, Value]) -> str:
        down = float(arguments["down"])
        self._clear()
        return self._soon(lambda: self._endpoint.restart(down), f"restarting, {down} s without power")

    def _slow_answers(self, arguments: dict[str, Value]) -> str:
        self._endpoint.wire.delay = float(arguments["ms"]) / 1000.0
        return f"every answer {arguments['ms']} ms late"

    # -- requests --------------------------------------------------------------------------------------------------

    def _small_limits(self, arguments: dict[str, Value]) -> str:
        self._endpoint.faults.requests.max_operations = int(arguments["operations"])
        return self._soon(self._endpoint.server.publish_limits, f"at most {arguments['operations']} operations in one request")

    def _writes(self, how: Literal["refuse", "half"]) -> str:
        self._endpoint.faults.requests.write = how
        return "writes are refused" if how == "refuse" else "writes are half done"

    # -- values ----------------------------------------------------------------------------------------------------

    def _disturbance(self, tag: str) -> Disturbance:
        equipment, _, path = tag.partition("/")
        self._machine(equipment)
        for machine in self._endpoint.server.machines:
            output = machine.find(path) if machine.machine.name == equipment else None
            if output is not None:
                return self._endpoint.faults.of(equipment).setdefault(output.signal.path, Disturbance())
        raise FaultRefused(f"{equipment} of {self._endpoint.spec.key} has no tag '{path}'; see its equipment class")

    def _bad_quality(self, arguments: dict[str, Value]) -> str:
        status = getattr(ua.StatusCodes, str(arguments["status"]), None)
        if not isinstance(status, int):
            raise FaultRefused(
                f"no StatusCode '{arguments['status']}'; one is BadSensorFailure, another UncertainSensorNotAccurate"
            )
        self._disturbance(str(arguments["tag"])).status = status
        return f"{arguments['tag']} is {arguments['status']}"

    def _sensor_drift(self, arguments: dict[str, Value]) -> str:
        disturbance = self._disturbance(str(arguments["tag"]))
        disturbance.drift_per_second = float(arguments["rate"])
        disturbance.since = self._endpoint.elapsed
        return f"{arguments['tag']} drifts by {arguments['rate']} a second"

    def _clock_offset(self, arguments: dict[str, Value]) -> str:
        self._endpoint.clock.offset = float(arguments["seconds"])
        return f"clock off by {arguments['seconds']} s"

    # -- machines and recipes ----------------------------------------------------------------------------------------

    def _machine(self, name: object) -> Machine:
        machine = self._endpoint.machines.get(str(name))
        if machine is None:
            raise FaultRefused(
                f"{self._endpoint.spec.key} has no equipment '{name}'; it has {', '.join(self._endpoint.machines)}"
            )
        return machine

    def _local_edit(self, arguments: dict[str, Value]) -> str:
        machine, wanted = self._machine(arguments["equipment"]), arguments["parameter"]
        found = next((p for p in machine.parameters if wanted in (p.node, p.name)), None)
        if found is None:
            listed = ", ".join(p.node for p in machine.parameters)
            raise FaultRefused(f"{machine.name} has no recipe parameter '{wanted}'; it has {listed}")
        value = parse_parameter(found, str(arguments["value"]))
        self._endpoint.handshakes[machine.name].local_edit(found.node, value)
        return f"{machine.name}: {found.node} edited at the panel"

    def _fail_commit(self, arguments: dict[str, Value]) -> str:
        machine, how = self._machine(arguments["equipment"]), arguments["how"]
        if how not in ("restored", "broken"):
            raise FaultRefused(f"fail-commit: how={how} must be restored or broken")
        self._endpoint.handshakes[machine.name].fail_commit = "restored" if how == "restored" else "broken"
        return f"the next Commit of {machine.name} fails ({how})"

    def _slow_commit(self, arguments: dict[str, Value]) -> str:
        machine = self._machine(arguments["equipment"])
        self._endpoint.handshakes[machine.name].commit_seconds = float(arguments["seconds"])
        return f"Commit of {machine.name} takes {arguments['seconds']} s"

    def _interlock(self, arguments: dict[str, Value]) -> str:
        self._endpoint.faults.interlocks.add(self._machine(arguments["equipment"]).name)
        return f"{arguments['equipment']}: an interlock is open"

    def _trip(self, arguments: dict[str, Value]) -> str:
        self._machine(arguments["equipment"]).cycle.fault()
        return f"{arguments['equipment']} has tripped"

    def _clear(self) -> str:
        endpoint = self._endpoint
        endpoint.faults.clear()
        endpoint.wire.delay = 0.0
        endpoint.wire.fall_silent(False)
        endpoint.clock.offset = 0.0
        for handshake in endpoint.handshakes.values():
            handshake.fail_commit, handshake.commit_seconds = "", 0.0
        if endpoint.running:
            self._soon(endpoint.server.publish_limits, "")
        return "all faults cleared"


def parse_parameter(parameter: Parameter, text: str) -> Value:
    """A recipe value from text, in the parameter's type. FaultRefused if it is malformed."""
    try:
        if parameter.type == "Boolean":
            return {"true": True, "false": False}[text.lower()]
        if parameter.type == "String":
            return text
        return float(text) if parameter.type in ("Float", "Double") else int(text)
    except (KeyError, ValueError):
        raise FaultRefused(f"'{text}' is not a {parameter.type}") from None
