"""The configuration directory → the plant, with every complaint over every file at once."""

from pathlib import Path

from gateway.documents.classes import build_class
from gateway.documents.plant_documents import EquipmentClassDocument, PlantDocument, SiteDocument
from gateway.documents.sites import Surroundings, build_site
from gateway.documents.source import Complaint, Document, Place, read_documents
from gateway.documents.validation import check_kind, did_you_mean, validate
from gateway.errors import ConfigurationError
from gateway.plant.equipment_class import EquipmentClass, MirrorDefaults, Plant, Site


def load_plant(directory: Path) -> Plant:
    """Read `plant.yaml`, `classes/*.yaml` and `sites/*.yaml` below `directory`.

    Raises:
        ConfigurationError: with every complaint of every file, each `file:line: field: what is wrong; how to mend it`.
    """
    complaints: list[Complaint] = []
    root = _plant(directory, complaints)
    classes, faulty = _classes(directory, complaints)
    publishing = root[1].mirror.publishing if root is not None else 0.5
    sites, unread = _sites(directory, Surroundings(directory, publishing, classes, faulty), complaints)
    if root is not None:
        _check_mother(*root, {*sites, *unread}, complaints)
    if complaints or root is None:
        raise ConfigurationError([str(complaint) for complaint in sorted(set(complaints))])
    part = root[1]
    mirror = MirrorDefaults(part.mirror.outage_cover, part.mirror.grace)
    return Plant(part.enterprise, part.mother, mirror, classes, tuple(sites.values()))


def _documents(path: Path, kind: str, complaints: list[Complaint], unread: set[str]) -> list[Document]:
    """The documents of a file. `unread` takes the file's name where it may hold more than could be read."""
    documents, found = read_documents(path)
    complaints += found
    if found:
        unread.add(path.stem)
    sound = []
    for document in documents:
        wrong = check_kind(document, [kind])
        if wrong is None:
            sound.append(document)
        else:
            complaints.append(wrong)
            unread.add(path.stem)
    return sound


def _folder(directory: Path, name: str, kind: str, complaints: list[Complaint]) -> tuple[list[Document], set[str]]:
    """The documents of a folder, and the names of files that may hold more: what they are called is taken as existing."""
    folder = directory / name
    paths = sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml")) if folder.is_dir() else []
    if not paths:
        complaints.append(Complaint(str(folder), 1, "", f"no *.yaml file here; add one document of 'kind: {kind}' at least"))
    unread: set[str] = set()
    return [document for path in paths for document in _documents(path, kind, complaints, unread)], unread


def _plant(directory: Path, complaints: list[Complaint]) -> tuple[Place, PlantDocument] | None:
    if not directory.is_dir():
        text = "no such directory; name the one that holds plant.yaml, classes/ and sites/"
        raise ConfigurationError([str(Complaint(str(directory), 1, "", text))])
    documents = _documents(directory / "plant.yaml", "Plant", complaints, set())
    for extra in documents[1:]:
        complaints.append(Place(extra, ("kind",)).complain("a second Plant; a configuration has one, remove the other"))
    if not documents:
        return None
    part, found = validate(PlantDocument, documents[0])
    complaints += found
    return (Place(documents[0]), part) if part is not None else None


def _classes(directory: Path, complaints: list[Complaint]) -> tuple[dict[str, EquipmentClass], frozenset[str]]:
    """Sound classes by name, and the names of those that are written down and faulty."""
    classes: dict[str, EquipmentClass] = {}
    first: dict[str, Place] = {}
    documents, faulty = _folder(directory, "classes", "EquipmentClass", complaints)
    for document in documents:
        name = document.data.get("class")
        part, found = validate(EquipmentClassDocument, document)
        if part is not None:
            built, across = build_class(document, part)
            found = [*found, *across]
            place = part.at("class")
            if part.name in first:
                found.append(
                    place.complain(f"class '{part.name}' exists already, {_where(first[part.name])}; choose another name")
                )
            elif not found:
                classes[part.name] = built
            first.setdefault(part.name, place)
        if found and isinstance(name, str) and name not in classes:
            faulty.add(name)
        complaints += found
    return classes, frozenset(faulty)


def _sites(directory: Path, around: Surroundings, complaints: list[Complaint]) -> tuple[dict[str, Site], set[str]]:
    """Sites by name, faulty ones included, and names of sites that may exist in what could not be read."""
    sites: dict[str, Site] = {}
    first: dict[str, Place] = {}
    documents, unread = _folder(directory, "sites", "Site", complaints)
    for document in documents:
        part, found = validate(SiteDocument, document)
        complaints += found
        if part is None:
            unread.add(Path(document.file).stem)
            continue
        place = part.at("site")
        if part.site in first:
            complaints.append(
                place.complain(f"site '{part.site}' exists already, {_where(first[part.site])}; choose another name")
            )
            continue
        first[part.site] = place
        sites[part.site], across = build_site(document, part, around)
        complaints += across
    return sites, unread


def _check_mother(place: Place, part: PlantDocument, sites: set[str], complaints: list[Complaint]) -> None:
    if part.mother not in sites:
        text = f"no site '{part.mother}' in sites/; {did_you_mean(part.mother, sites)}"
        complaints.append(place.at("mother").complain(text))


def _where(place: Place) -> str:
    return f"in {place.document.file}:{place.line}"
