"""A small class, a recipe for it, equipment that holds another recipe, and an engine between them."""

import time
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from gateway.plant.equipment_class import (
    Endpoint,
    Equipment,
    EquipmentClass,
    Range,
    RecipeBlock,
    RecipeParameter,
    RootNode,
    SiteMeasure,
    Tag,
    parse_type,
)
from gateway.plant.hierarchy import EquipmentPath
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.engine import PushEngine
from gateway.recipes.journal import Intent, Push
from gateway.recipes.recipe import (
    Classification,
    EquipmentRequirements,
    Header,
    Interlock,
    Limits,
    MasterRecipe,
    Parameter,
    Parity,
)
from gateway.recipes.render import render
from gateway.recipes.run import PushTimings
from tests.fakes.equipment import Effect, FakeEquipment, FakeParameter, Profile
from tests.fakes.journal import MemoryJournal

FLOAT, INT32, BOOLEAN, STRING = map(parse_type, ("Float", "Int32", "Boolean", "String"))
MODE = parse_type("Enumeration")
PARAMETERS = (
    RecipeParameter("speed", "Speed", FLOAT, "m/min", Range(1, 80)),
    RecipeParameter("oven", "Oven", FLOAT, "degC", Range(20, 200)),
    RecipeParameter("passes", "Passes", INT32, None, Range(1, 9)),
    RecipeParameter("vacuum", "Vacuum", BOOLEAN),
    RecipeParameter("foil", "Foil", STRING),
)
COATER = EquipmentClass(
    name="coater",
    version="1.0.0",
    description="Coater",
    tags=(
        Tag("State/Mode", MODE),
        *(Tag(f"Recipe/Active/{item.node}", item.type, item.unit, item.range) for item in PARAMETERS),
    ),
    state="State/Mode",
    recipe=RecipeBlock("Recipe", PARAMETERS),
)
ENDPOINT = Endpoint("wroclaw", "plc", "opc.tcp://127.0.0.1:1")
OLD: dict[str, bool | int | float | str] = {"Speed": 20.0, "Oven": 100.0, "Passes": 2, "Vacuum": False, "Foil": "Al-12"}
NEW: dict[str, bool | int | float | str] = {"Speed": 28.5, "Oven": 120.0, "Passes": 3, "Vacuum": True, "Foil": "Al-15"}
_KEYS = count()
QUICK = PushTimings(confirm_s=120, ready=0.0, reach=0.05, resolve=0.05, commit=5.0, revert=0.0, answer=0.2, poll=0.0, retry=0.001)
PATIENT = replace(QUICK, ready=10.0)


def master(**changes: Any) -> MasterRecipe:
    """The recipe that brings `NEW`."""
    recipe = MasterRecipe(
        header=Header("coating", "1.2.0", "E63", classification=Classification(confidentiality="secret")),
        equipment_requirements=EquipmentRequirements("coater", handshake=("method", "mailbox", "direct")),
        parameters=(
            Parameter("speed", FLOAT, 28.5, "m/min", Limits(20, 40), critical=True),
            Parameter("oven", FLOAT, 120.0, "degC", Limits(90, 150), Parity("localized", bound=(110, 130))),
            Parameter("passes", INT32, 3),
            Parameter("vacuum", BOOLEAN, True),
            Parameter("foil", STRING, "Al-15"),
        ),
        interlocks=(Interlock("State/Mode", ("Idle", "Stopped")),),
    )
    return replace(recipe, **changes)


def coater(handshake: Profile | None = "method", **changes: Any) -> Equipment:
    """The equipment the recipe goes into, as the plant's configuration knows it."""
    equipment = Equipment(
        path=EquipmentPath("wroclaw", "electrode", "line-1", "coater-1"),
        equipment_class=COATER,
        endpoint="plc",
        root=RootNode("urn:fake", "Coater", None),
        handshake=handshake,
    )
    return replace(equipment, **changes)


def fake(profile: Profile) -> FakeEquipment:
    """A controller that holds `OLD` under an old label."""
    parameters = [
        FakeParameter(item.node, item.type, OLD[item.node], (item.range.low, item.range.high) if item.range else None)
        for item in PARAMETERS
    ]
    equipment = FakeEquipment(profile, parameters, tags={"State/Mode": (MODE, 0)})
    equipment.handshake.active_digest = "sha256:old"
    equipment.handshake.active_tx_id = 7
    equipment.handshake.last_tx_id = equipment.handshake.ack_tx_id = 9
    return equipment


def control_recipe(
    handshake: Profile, *, equipment: Equipment | None = None, firmware: str | None = None, **changes: Any
) -> ControlRecipe:
    """The rendered recipe."""
    recipe = master(**changes)
    recipe = replace(recipe, equipment_requirements=replace(recipe.equipment_requirements, firmware=firmware))
    rendering = render(recipe, None, equipment or coater(handshake))
    assert rendering.control is not None, rendering.complaints
    return rendering.control


@dataclass
class SystemClock:
    """Wall and monotonic time, with the wall clock under the test's hand."""

    offset_ns: int = 0

    def now(self) -> int:
        return 1_700_000_000_000_000_000 + self.offset_ns

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Scenario:
    """One push, from intent to end."""

    profile: Profile
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    timings: PushTimings = QUICK
    clock: SystemClock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self.fake = fake(self.profile)
        self.equipment = coater(self.profile)
        self.control = control_recipe(self.profile)
        self.engine = PushEngine(self.journal, self.fake, self.clock, self.timings)

    async def submit(self) -> Push:
        """Record the intent."""
        return await self.journal.submit(Intent(self.control, "jan", f"key-{next(_KEYS)}"), now=self.clock.now())

    async def push(self, push: Push | None = None) -> Push | None:
        """Carry it out once."""
        return await self.engine.carry_out(push or await self.submit(), self.equipment, ENDPOINT)

    async def ended(self, push: Push | None = None) -> Push:
        """Carry it out to its end in one go."""
        done = await self.push(push)
        assert done is not None, "the push rests"
        return done

    async def states(self, push: Push) -> list[str]:
        """The journal's states, in order."""
        return [str(step.state) for step in await self.journal.steps(push.id)]

    @property
    def effects(self) -> list[Effect]:
        """What reached the equipment."""
        return [item for item in self.fake.record if isinstance(item, Effect)]


def scaled(profile: Profile) -> Equipment:
    """The same equipment where the oven is held in tenths of a degree Fahrenheit, in an Int16."""
    measure = SiteMeasure(parse_type("Int16"), "degF", 0.1, 0.0)
    return coater(profile, measures={"Recipe/Active/Oven": measure})
