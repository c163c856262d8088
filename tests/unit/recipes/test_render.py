"""Rendering: what a master recipe becomes for one piece of equipment, and every reason it may not."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.plant.equipment_class import Equipment, SiteMeasure, parse_type
from gateway.plant.hierarchy import EquipmentPath
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.diff import diff
from gateway.recipes.recipe import (
    Capability,
    Classification,
    EquipmentRequirements,
    Interlock,
    Limits,
    MasterRecipe,
    Parameter,
    Parity,
    SiteOverlay,
)
from gateway.recipes.render import binding_changes, engineering, render
from tests.unit.recipes.scenario import COATER, FLOAT, INT32, coater, control_recipe, master, scaled


def changed(name: str, recipe: MasterRecipe | None = None, /, **changes: Any) -> MasterRecipe:
    """The recipe with one parameter changed."""
    recipe = recipe or master()
    parameters = tuple(replace(item, **changes) if item.name == name else item for item in recipe.parameters)
    return replace(recipe, parameters=parameters)


def complaints(recipe: MasterRecipe, overlay: SiteOverlay | None = None, equipment: Equipment | None = None) -> str:
    """Everything that is wrong."""
    rendering = render(recipe, overlay, equipment or coater())
    assert rendering.control is None
    return "\n".join(rendering.complaints)


def overlay(**changes: Any) -> SiteOverlay:
    return replace(SiteOverlay("wroclaw", "coating", "1.2.0", {"oven": 118.0}), **changes)


def test_a_sound_recipe_renders_with_all_it_needs() -> None:
    control = control_recipe("mailbox")
    assert (control.name, control.handshake, control.block) == ("coating@1.2.0", "mailbox", "Recipe")
    assert [item.name for item in control.parameters] == ["foil", "oven", "passes", "speed", "vacuum"]
    assert control.parameters[1].wire_value == 120.0
    (interlock,) = control.interlocks
    assert (interlock.tag, interlock.allowed) == ("State/Mode", (0,))


def test_an_overlay_localizes_within_the_bound() -> None:
    control = render(master(), overlay(), coater()).control
    assert control is not None
    assert control.parameters[1].value == 118.0
    assert control.master_digest == control_recipe("method").master_digest
    assert control.rendered_digest != control_recipe("method").rendered_digest


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (changed("speed", value=99.0), "speed: its value is outside the recipe's limits"),
        (changed("speed", value=90.0, limits=Limits()), "speed: its value is outside the class's range"),
        (changed("oven", value=105.0), "oven: its value is outside the bound of its parity class localized"),
        (changed("passes", type=FLOAT), "passes: the recipe says type Float, the class Int32"),
        (changed("speed", unit="mm/s"), "speed: the recipe says unit mm/s, the class m/min: write it in the class's unit"),
        (changed("passes", value=2.5), "passes: is no whole number"),
        (changed("vacuum", value=1), "vacuum: is no Boolean"),
        (changed("foil", value=15), "foil: is no String"),
        (changed("speed", value=float("nan")), "speed: is not a finite number"),
        (changed("speed", name="pace"), "pace: class coater has no such recipe parameter"),
        (changed("speed", name="pace"), "speed: the recipe gives no value"),
        (master(interlocks=(Interlock("State/Mood", (1,)),)), "interlock State/Mood: class coater has no such tag"),
        (master(interlocks=(Interlock("State/Mode", ("Parked",)),)), "no value it allows can ever be met"),
        (master(equipment_requirements=EquipmentRequirements("mixer")), "is for class mixer; wroclaw/electrode/line-1/coater-1"),
        (master(equipment_requirements=EquipmentRequirements("coater", handshake=("mailbox",))), "profile method"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(recipe: MasterRecipe, said: str) -> None:
    assert said in complaints(recipe)


def test_every_complaint_is_told_at_once() -> None:
    broken = changed("passes", changed("foil", changed("speed", value=99.0), value=1), value=0.5)
    found = complaints(broken, overlay(site="michigan", recipe_version="9.9.9"))
    for name in ("speed:", "foil:", "passes:", "site michigan", "coating@9.9.9"):
        assert name in found


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (overlay(localize={"oven": 131.0}), "oven: its value is outside the bound"),
        (overlay(localize={"speed": 30.0}), "speed: the overlay localizes it, but"),
        (overlay(localize={"oben": 118.0}), "oben: the overlay localizes it, but"),
        (overlay(recipe_id="forming"), "the overlay is for forming@1.2.0"),
    ],
)
def test_an_overlay_that_does_not_fit_is_refused(broken: SiteOverlay, said: str) -> None:
    assert said in complaints(master(), broken)


def test_values_are_told_only_of_public_recipes() -> None:
    secret = changed("speed", value=41.75)
    assert "41.75" not in complaints(secret)
    header = replace(secret.header, classification=Classification(confidentiality="public"))
    assert "41.75" in complaints(replace(secret, header=header))


def test_direct_is_taken_only_where_the_recipe_lists_it() -> None:
    anything = master(equipment_requirements=EquipmentRequirements("coater"))
    assert render(anything, None, coater("mailbox")).control is not None
    assert "list it under equipment_requirements.handshake" in complaints(anything, equipment=coater("direct"))
    assert render(master(), None, coater("direct")).control is not None


def test_equipment_without_a_profile_or_a_block_takes_no_recipe() -> None:
    assert "declares no handshake profile" in complaints(master(), equipment=coater(None))
    blockless = coater(equipment_class=replace(COATER, recipe=None))
    assert "takes no recipes" in complaints(master(), equipment=blockless)


def test_what_cannot_be_checked_is_noted() -> None:
    needs = EquipmentRequirements("coater", capabilities=(Capability("channels", 96),))
    rendering = render(master(equipment_requirements=needs), None, coater())
    assert rendering.control is not None
    notes = " ".join(rendering.notes)
    assert "channels ≥ 96 is not checked" in notes
    assert "Stopped is no machine state" in notes


# --- a site that measures otherwise -------------------------------------------------------------------------------


def test_a_value_is_converted_exactly_to_the_sites_representation() -> None:
    control = render(master(), None, scaled("method")).control
    assert control is not None
    oven = control.parameters[1]
    assert (oven.value, oven.wire_value, str(oven.wire_type)) == (120.0, 2480, "Int16")
    assert engineering(oven, 2480) == 120.0
    assert diff(control, {"oven": 2480})[1].same
    assert diff(control, {"oven": 2481})[1].active == pytest.approx(120.0556, abs=1e-4)
    assert not diff(control, {"oven": 2481})[1].same
    assert diff(control, {"oven": None})[1].active is None


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (SiteMeasure(parse_type("SByte"), "degC"), None),
        (SiteMeasure(parse_type("SByte"), "degF", 1.0), "does not fit its integer type"),
        (SiteMeasure(parse_type("String"), "degC"), "cannot be converted"),
        (SiteMeasure(parse_type("Int16"), "bar"), "does not convert"),
        (SiteMeasure(parse_type("Int16"), "degC", 7.0), "coarser than its tolerance"),
    ],
)
def test_a_representation_that_cannot_hold_the_value_is_refused(measure: SiteMeasure, said: str | None) -> None:
    recipe = changed("oven", parity=Parity("tolerance", absolute=0.5), limits=Limits())
    equipment = coater(measures={"Recipe/Active/Oven": measure})
    if said is None:
        assert render(recipe, None, equipment).control is not None
    else:
        assert said in complaints(recipe, equipment=equipment)


def test_rounding_may_not_leave_the_recipes_limits() -> None:
    recipe = changed("oven", value=120.0, parity=Parity(), limits=Limits(119.5, 120.5))
    coarse = coater(measures={"Recipe/Active/Oven": SiteMeasure(parse_type("Int16"), "degC", 7.0)})
    assert "rounded to the site's representation" in complaints(recipe, equipment=coarse)


def test_a_float_written_as_people_write_it_is_not_above_its_own_limit() -> None:
    """0.1 as a 32-bit float is 0.10000000149: the limit 0.1 means the same number."""
    recipe = changed("speed", value=20.1, limits=Limits(20.1, 20.1))
    assert render(recipe, None, coater()).control is not None


# --- the control recipe in the ledger -----------------------------------------------------------------------------


def test_a_control_recipe_survives_the_ledger() -> None:
    control = render(master(), overlay(), scaled("method")).control
    assert control is not None
    again = ControlRecipe.from_json(control.to_json())
    assert again == control
    assert again.rendered_digest == control.rendered_digest


def test_a_changed_plant_is_noticed_before_the_push() -> None:
    control = control_recipe("method")
    assert binding_changes(control, coater()) == []
    assert "is now of class coater 1.1.0" in binding_changes(control, coater(equipment_class=replace(COATER, version="1.1.0")))[0]
    assert "profile mailbox" in binding_changes(control, coater("mailbox"))[0]
    assert "oven: the site measures otherwise" in binding_changes(control, scaled("method"))[0]


def test_the_same_recipe_has_another_rendered_digest_on_another_line() -> None:
    there = control_recipe("method")
    elsewhere = coater(path=EquipmentPath("nanjing", "electrode", "line-1", "coater-1"))
    here = control_recipe("method", equipment=elsewhere)
    assert here.master_digest == there.master_digest
    assert here.rendered_digest != there.rendered_digest


def test_an_array_parameter_renders_element_by_element() -> None:
    zones = parse_type("Int32[]")
    assert COATER.recipe is not None
    declared = tuple(replace(item, type=zones) if item.name == "passes" else item for item in COATER.recipe.parameters)
    kind = replace(COATER, recipe=replace(COATER.recipe, parameters=declared))
    recipe = changed("passes", type=zones, value=(1, 2, 3))
    control = render(recipe, None, coater(equipment_class=kind)).control
    assert control is not None
    assert ControlRecipe.from_json(control.to_json()) == control
    assert control.parameters[2].wire_value == (1, 2, 3)
    assert "passes: its value is outside the class's range" in complaints(
        changed("passes", type=zones, value=(1, 20)), equipment=coater(equipment_class=kind)
    )


def test_an_unused_parameter_list_is_no_recipe() -> None:
    recipe = master(parameters=(Parameter("passes", INT32, 3),))
    found = complaints(recipe)
    for name in ("speed", "oven", "vacuum", "foil"):
        assert f"{name}: the recipe gives no value" in found
