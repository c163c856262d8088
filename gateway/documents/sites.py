"""Site documents → sites, with the checks that look across fields and into the classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.documents.classes import is_numeric, written
from gateway.documents.plant_documents import EndpointPart, EquipmentPart, LinePart, MeasurePart, SiteDocument
from gateway.documents.source import Complaint, Document
from gateway.documents.validation import did_you_mean
from gateway.plant.equipment_class import (
    Credentials,
    Endpoint,
    Equipment,
    EquipmentClass,
    LimitOverride,
    Line,
    RootNode,
    Secret,
    Site,
    SiteMeasure,
    Tag,
)
from gateway.plant.hierarchy import EquipmentPath
from gateway.plant.units import conversion


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a site file refers to. `faulty` are names of classes that exist and cannot be used, `written` their tag paths."""

    directory: Path
    publishing_s: float
    classes: Mapping[str, EquipmentClass]
    faulty: frozenset[str]


def build_site(document: Document, part: SiteDocument, around: Surroundings) -> tuple[Site, list[Complaint]]:
    """The site, and what is wrong across its fields (then the site is not to be used)."""
    complaints: list[Complaint] = []
    endpoints: dict[str, Endpoint] = {}
    for server in part.endpoints:
        if server.name in endpoints:
            complaints.append(server.at("name").complain(f"endpoint '{server.name}' exists already above; choose another name"))
        else:
            endpoints[server.name] = _endpoint(part.site, part.locale, server, around)
    known = {*endpoints, *written(document, "endpoints", "name")}
    lines: list[Line] = []
    roots: dict[tuple[str, RootNode], str] = {}
    for line in part.lines:
        if any((line.area, line.line) == (other.area, other.line) for other in lines):
            complaints.append(
                line.at("line").complain(f"line '{line.line}' exists already in area '{line.area}'; choose another name")
            )
        names: set[str] = set()
        built = []
        for entry in line.equipment:
            if entry.name in names:
                complaints.append(entry.at("name").complain(f"'{entry.name}' exists already on this line; choose another name"))
            names.add(entry.name)
            if known and entry.endpoint not in known:
                text = f"the site has no endpoint '{entry.endpoint}'; {did_you_mean(entry.endpoint, known)}"
                complaints.append(entry.at("endpoint").complain(text))
            root = RootNode(entry.root.namespace, entry.root.path, entry.root.node)
            if (entry.endpoint, root) in roots:
                text = (
                    f"'{roots[entry.endpoint, root]}' has the same root on the same endpoint; each piece of equipment has its own"
                )
                complaints.append(entry.at("root").complain(text))
            roots.setdefault((entry.endpoint, root), entry.name)
            item, found = _equipment(part.site, line, entry, root, around)
            complaints += found
            if item is not None:
                built.append(item)
        lines.append(Line(part.site, line.area, line.line, line.role, line.capacity, tuple(built)))
    site = Site(part.site, part.name or part.site, part.country, part.locale, tuple(endpoints.values()), tuple(lines))
    return site, complaints


def _endpoint(site: str, locale: str | None, part: EndpointPart, around: Surroundings) -> Endpoint:
    credentials = Credentials()
    if part.credentials is not None:
        secret = part.credentials.password
        file = str(around.directory / secret.file) if secret.file is not None else None
        credentials = Credentials(part.credentials.user, Secret(secret.env, file))
    limits = part.limits
    publishing = part.publishing if part.publishing is not None else around.publishing_s
    return Endpoint(
        site=site,
        name=part.name,
        url=part.url,
        policy=part.security.policy,
        mode=part.security.mode,
        credentials=credentials,
        limits=LimitOverride(
            max_monitored_items_per_call=limits.max_monitored_items_per_call,
            max_nodes_per_read=limits.max_nodes_per_read,
            max_nodes_per_write=limits.max_nodes_per_write,
            max_nodes_per_translate=limits.max_nodes_per_translate,
        ),
        publishing_ms=publishing * 1000,
        enabled=part.enabled,
        locale=locale,
    )


def _equipment(
    site: str, line: LinePart, part: EquipmentPart, root: RootNode, around: Surroundings
) -> tuple[Equipment | None, list[Complaint]]:
    """The equipment, or None where its class cannot be used; with what is wrong about it."""
    answered = around.classes.get(part.class_name)
    if answered is None:
        if part.class_name in around.faulty:
            return None, []  # its own file is complained about
        known = {*around.classes, *around.faulty}
        text = f"no equipment class '{part.class_name}' in classes/; {did_you_mean(part.class_name, known)}"
        return None, [part.at("class").complain(text)]
    complaints: list[Complaint] = []
    measures: dict[str, SiteMeasure] = {}
    for path, measure in part.tags.items():
        tag = answered.tag(path)
        if tag is None:
            text = f"class '{answered.name}' has no tag '{path}'; {did_you_mean(path, [item.path for item in answered.tags])}"
            complaints.append(part.at("tags", path).complain(text))
            continue
        complaints += _check_measure(part, path, measure, tag)
        measures[path] = SiteMeasure(measure.type or tag.type, measure.unit or tag.unit, measure.scale, measure.offset)
    if part.handshake is not None and answered.recipe is None:
        text = f"class '{answered.name}' has no recipe block; remove the handshake, or add 'recipe' to the class"
        complaints.append(part.at("handshake").complain(text))
    built = Equipment(
        path=EquipmentPath(site, line.area, line.line, part.name),
        equipment_class=answered,
        endpoint=part.endpoint,
        root=root,
        handshake=part.handshake,
        rename=dict(part.rename),
        measures=measures,
    )
    return built, complaints + _check_rename(part, built)


def _check_measure(part: EquipmentPart, path: str, measure: MeasurePart, tag: Tag) -> list[Complaint]:
    place = part.at("tags", path)
    declared = measure.type or tag.type
    if declared.array != tag.type.array:
        return [place.at("type").complain(f"the class says {tag.type}; an array and a single value do not convert")]
    if declared != tag.type and not (is_numeric(declared) and is_numeric(tag.type)):
        return [place.at("type").complain(f"{declared} does not convert to the class's {tag.type}; only numbers convert")]
    for field in ("unit", "scale", "offset"):
        if field in measure.model_fields_set and tag.type.array and getattr(measure, field) not in {tag.unit, 1.0, 0.0, None}:
            return [
                place.at(field).complain(f"arrays are not converted; let the controller give {tag.unit or 'engineering values'}")
            ]
        if field in measure.model_fields_set and not is_numeric(tag.type):
            return [place.at(field).complain(f"only a number has a {field}, and the class says {tag.type}; remove it")]
    if measure.scale == 0:
        return [place.at("scale").complain("0 would make every value the same; write the factor from raw to engineering value")]
    if measure.unit is None or measure.unit == tag.unit:
        return []
    if tag.unit is None:
        return [place.at("unit").complain("the class gives this tag no unit; remove it here, or add it to the class")]
    try:
        conversion(measure.unit, tag.unit)
    except ValueError as error:
        return [place.at("unit").complain(str(error))]
    return []


def _check_rename(part: EquipmentPart, built: Equipment) -> list[Complaint]:
    paths = [tag.path for tag in built.equipment_class.tags]
    leading = {"/".join(path.split("/")[:end]) for path in paths for end in range(1, path.count("/") + 2)}
    if built.equipment_class.recipe is not None:
        block = built.equipment_class.recipe.block
        leading |= {f"{block}/{name}" for name in ("Staging", "Cmd")}
        leading |= {f"{block}/Staging/{item.node}" for item in built.equipment_class.recipe.parameters}
    complaints = []
    for path in part.rename:
        if path not in leading:
            text = f"class '{built.equipment_class.name}' has nothing at '{path}'; {did_you_mean(path, leading)}"
            complaints.append(part.at("rename", path).complain(text))
    landed: dict[str, str] = {}
    for path in paths:
        there = built.site_path(path)
        if there in landed:
            text = f"'{landed[there]}' and '{path}' both land on '{there}'; give each tag its own path here"
            culprit = max((key for key in part.rename if path == key or path.startswith(key + "/")), key=len, default=None)
            other = max(
                (key for key in part.rename if landed[there] == key or landed[there].startswith(key + "/")), key=len, default=""
            )
            complaints.append(part.at("rename", culprit if culprit is not None else other).complain(text))
        landed.setdefault(there, path)
    return complaints
