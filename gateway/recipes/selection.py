"""From a recipe file and a place to control recipes. Pure but for what it is given: the parser, the overlays, the plant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.errors import NotFound, RequestRefused
from gateway.plant.equipment_class import Endpoint, Equipment, Plant
from gateway.plant.hierarchy import matches
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.digest import master_digest
from gateway.recipes.recipe import MasterRecipe, SiteOverlay
from gateway.recipes.render import Rendering, render

#: Reads the text of a file with that name; raises `ConfigurationError` with every complaint.
Parse = Callable[[str, str], Sequence[MasterRecipe | SiteOverlay]]
#: The site's overlay for recipe id and version, from the configuration.
Overlays = Callable[[str, str, str], SiteOverlay | None]


@dataclass(frozen=True, slots=True)
class TargetValidation:
    """Whether the recipe renders for one piece of equipment."""

    equipment: str
    complaints: tuple[str, ...]
    notes: tuple[str, ...]
    rendered_digest: str | None


@dataclass(frozen=True, slots=True)
class Validation:
    """What a recipe file is, and for which equipment it renders."""

    recipe: str
    equipment_class: str
    master_digest: str
    targets: tuple[TargetValidation, ...]

    @property
    def ok(self) -> bool:
        """True when it renders for every target there is."""
        return bool(self.targets) and not any(target.complaints for target in self.targets)


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """One master recipe and the overlays that came with it in the same file."""

    master: MasterRecipe
    overlays: tuple[SiteOverlay, ...]

    @classmethod
    def read(cls, text: str, filename: str, parse: Parse) -> "RecipeFile":
        """Read a file.

        Raises:
            ConfigurationError: it is malformed; every complaint with its line.
            RequestRefused: it holds no master recipe, or several, or two overlays for one site.
        """
        documents = parse(text, filename)
        masters = [item for item in documents if isinstance(item, MasterRecipe)]
        overlays = tuple(item for item in documents if isinstance(item, SiteOverlay))
        if len(masters) != 1:
            raise RequestRefused(f"{filename} holds {len(masters)} documents of kind MasterRecipe; a push takes exactly one")
        sites = [item.site for item in overlays]
        for site in sorted(set(sites)):
            if sites.count(site) > 1:
                raise RequestRefused(f"{filename} holds {sites.count(site)} overlays for site {site}; keep one")
        return cls(masters[0], overlays)

    def render(self, equipment: Equipment, overlays: Overlays) -> Rendering:
        """Render for one piece of equipment; an overlay in the file wins over the configuration's."""
        site, header = equipment.path.site, self.master.header
        own = next((item for item in self.overlays if item.site == site), None)
        return render(self.master, own or overlays(site, header.id, header.version), equipment)

    def targets(self, plant: Plant, target: str) -> tuple[Equipment, ...]:
        """Equipment of the recipe's class at or below `target`.

        Raises:
            NotFound: the plant has nothing there.
            RequestRefused: none of what is there is of the class.
        """
        wanted = self.master.equipment_requirements.equipment_class
        below = [item for item in plant.equipment() if matches(target, str(item.path))]
        found = tuple(item for item in below if item.equipment_class.name == wanted)
        if found:
            return found
        if below:
            kinds = ", ".join(sorted({item.equipment_class.name for item in below}))
            raise RequestRefused(
                f"{target} has no equipment of class {wanted}, which {self.master.header.name} is for; it has {kinds}"
            )
        known = ", ".join(str(item.path) for item in plant.equipment() if item.equipment_class.name == wanted)
        raise NotFound(f"there is no equipment at {target}; equipment of class {wanted}: {known or 'none'}")

    def one_target(self, plant: Plant, target: str) -> Equipment:
        """The one piece of equipment that `target` names, by itself or as a line that has just one of the class.

        Raises:
            NotFound: the plant has nothing there.
            RequestRefused: it names none of the class, or several.
        """
        found = self.targets(plant, target)
        if len(found) > 1:
            paths = ", ".join(str(item.path) for item in found)
            raise RequestRefused(f"{target} names {len(found)} pieces of equipment; a push goes into one: {paths}")
        return found[0]

    def control(self, equipment: Equipment, overlays: Overlays) -> ControlRecipe:
        """The control recipe for one piece of equipment.

        Raises:
            RequestRefused: it does not render; every complaint.
        """
        rendering = self.render(equipment, overlays)
        if rendering.control is None:
            raise RequestRefused(
                f"{self.master.header.name} does not render for {equipment.path}: " + "; ".join(rendering.complaints)
            )
        return rendering.control

    def validate(self, targets: Sequence[Equipment], overlays: Overlays) -> Validation:
        """Render for all of them, and say what came of it."""
        checked = []
        for equipment in targets:
            rendering = self.render(equipment, overlays)
            rendered = rendering.control.rendered_digest if rendering.control is not None else None
            checked.append(TargetValidation(str(equipment.path), rendering.complaints, rendering.notes, rendered))
        needs = self.master.equipment_requirements
        return Validation(self.master.header.name, needs.equipment_class, master_digest(self.master), tuple(checked))


def locate(plant: Plant, path: str) -> tuple[Equipment, Endpoint] | None:
    """The equipment at exactly `path` and its endpoint; None where the plant has it no more."""
    for equipment in plant.equipment():
        if str(equipment.path) == path:
            for endpoint in plant.endpoints():
                if (endpoint.site, endpoint.name) == (equipment.path.site, equipment.endpoint):
                    return equipment, endpoint
    return None
