"""YAML text → plain data that remembers its lines.

Read from parser events, so that a line is known for every field, a repeated key is seen (a YAML loader takes the last
one without a word), and hostile input is stopped early: by size, by depth, and by the number of values after aliases
are expanded. Plain scalars follow the YAML 1.2 core schema: `NO` is a country, `on` is text, `12:30` is no number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 200_000

Loc: TypeAlias = tuple[str | int, ...]

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is built in: a large plant in milliseconds
_TAG: Final = "tag:yaml.org,2002:"
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]{1,40}\Z|0o[0-7]{1,40}\Z|0x[0-9a-fA-F]{1,40}\Z")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One fault. Sorts by file and line; `str()` is `file:line: field: what is wrong and how to mend it`."""

    file: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: {self.field}: " if self.field else f"{self.file}:{self.line}: "
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in where + self.text)


@dataclass(slots=True, eq=False)
class Document:
    """One YAML document of a file: its data (mappings are `Located`) and the line of every place in it."""

    file: str
    data: Any = None
    lines: dict[Loc, int] = field(default_factory=dict, repr=False)

    def known(self, loc: Loc) -> Loc:
        """`loc` without the steps that are not in the document (a missing field, a step only the model knows)."""
        found: Loc = ()
        for step in loc:
            if (*found, step) in self.lines:
                found = (*found, step)
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a document, to complain about."""

    document: Document
    loc: Loc = ()

    def at(self, *steps: str | int) -> "Place":
        """A place below this one."""
        return Place(self.document, (*self.loc, *steps))

    @property
    def line(self) -> int:
        """The line, counted from 1; of the innermost enclosing field where the place itself is not written down."""
        loc = self.loc
        while loc not in self.document.lines:
            loc = loc[:-1]
        return self.document.lines[loc]

    @property
    def field(self) -> str:
        """The field's name as people write it: `lines[0].equipment[2].class`."""
        text = ""
        for step in self.loc:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def complain(self, text: str) -> Complaint:
        """A complaint about this place."""
        return Complaint(self.document.file, self.line, self.field, text)


class Located(dict[str, Any]):
    """A mapping of a document that knows its place."""

    place: Place


@dataclass(slots=True)
class _Node:
    """A value as written: a scalar, a list of nodes, or keys with nodes; shared where an alias repeats it."""

    line: int
    value: Any  # scalar | list[_Node] | dict[str, tuple[int, _Node]]


class _Stop(Exception):
    """The file cannot be read any further."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def read_documents(path: Path) -> tuple[list[Document], list[Complaint]]:
    """All documents of a YAML file that can be read, and what is wrong with the text itself. Never raises for bad content."""
    try:
        text = _text(path)
    except _Stop as stop:
        return [], [Complaint(str(path), stop.line, "", stop.text)]
    return parse_documents(text, str(path))


def parse_documents(text: str, file: str) -> tuple[list[Document], list[Complaint]]:
    """The same for text that came another way; `file` is the name complaints give."""
    complaints: list[Complaint] = []
    documents: list[Document] = []
    try:
        if len(text) > MAX_BYTES:
            raise _too_large()
        for document in _Reader(file, text, complaints).documents():
            documents.append(document)
    except _Stop as stop:
        complaints.append(Complaint(file, stop.line, "", stop.text))
        return documents, complaints
    if not documents and not complaints:
        complaints.append(
            Complaint(file, 1, "", "the file is empty; write a document that begins with 'kind:', or remove the file")
        )
    return documents, complaints


def _too_large() -> _Stop:
    return _Stop(1, f"larger than {MAX_BYTES // 1024 // 1024} MiB; divide it into several files")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _Stop(1, f"cannot be read: {error.strerror or error}; check that the file exists and may be read") from error
    if len(raw) > MAX_BYTES:
        raise _too_large()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _Stop(line, f"byte 0x{raw[error.start]:02x} is not UTF-8 text; save the file as UTF-8") from error


def _syntax(error: yaml.YAMLError, text: str) -> _Stop:
    """The parser's complaint as a plain sentence."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return _Stop(line, f"character {error.character!r} is not allowed in YAML; remove it")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    problem = str(getattr(error, "problem", None) or error)
    if "\t" in indent or "\\t" in problem or "tab character" in problem:
        return _Stop(line, "a tab indents this line; YAML indents with spaces only")
    if "mapping values are not allowed" in problem:
        return _Stop(
            line, "a second ': ' in one line, or a line indented too far; put the text in quotes or mend the indentation"
        )
    if "did not find expected key" in problem or "expected <block end>" in problem:
        return _Stop(line, "not valid YAML near here: bad indentation or an unclosed quote; align the field with its neighbours")
    return _Stop(line, f"not valid YAML: {problem}; check indentation, quotes and brackets at and above this line")


class _Reader:
    """Builds nodes from parser events, then data from nodes."""

    def __init__(self, file: str, text: str, complaints: list[Complaint]) -> None:
        self._file = file
        self._text = text
        self._complaints = complaints
        self._anchors: dict[str, _Node] = {}
        self._events = self._parse()
        self._values = 0

    def _parse(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self._text, Loader=LOADER)
        except yaml.YAMLError as error:
            raise _syntax(error, self._text) from error

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                node = self._node(next(self._events), 0)
                if node.value is None:
                    continue  # nothing between two '---'
                document = Document(self._file, lines={(): node.line})
                document.data = self._data(node, Place(document))
                yield document

    def _complain(self, line: int, name: str, text: str) -> None:
        self._complaints.append(Complaint(self._file, line, name, text))

    def _node(self, event: Any, depth: int) -> _Node:
        line = event.start_mark.line + 1
        self._limit(line, depth)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Stop(
                    line, f"'*{event.anchor}' repeats nothing: no finished '&{event.anchor}' stands above it in this document"
                )
            return self._anchors[event.anchor]
        anchor: str | None = event.anchor
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(line, self._scalar(event, line))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._untagged(event, line)
            node = _Node(line, self._sequence(depth))
        else:
            self._untagged(event, line)
            node = _Node(line, self._mapping(depth))
        if anchor is not None:
            self._anchors[anchor] = node  # only now: an alias inside its own anchor finds nothing
        return node

    def _sequence(self, depth: int) -> list[_Node]:
        items: list[_Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, tuple[int, _Node]]:
        entries: dict[str, tuple[int, _Node]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise _Stop(
                    line, "a field's name must be plain text, not a list, a mapping or an alias; mend brackets or indentation"
                )
            key: str = event.value
            node = self._node(next(self._events), depth + 1)
            if key in entries:
                first = entries[key][0]
                self._complain(line, key, f"written twice, first in line {first}; only one can count, remove the other")
            elif key == "<<" and event.implicit[0]:
                self._complain(line, key, "merge keys are not part of YAML 1.2; write the fields out")
            else:
                entries[key] = (line, node)
        return entries

    def _limit(self, line: int, depth: int) -> None:
        self._values += 1
        if depth > MAX_DEPTH:
            raise _Stop(line, f"nested deeper than {MAX_DEPTH} levels; no document needs that")
        if self._values > MAX_VALUES:
            raise _Stop(line, f"more than {MAX_VALUES} values (aliases count as often as they repeat); divide the file")

    def _untagged(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            self._complain(line, "", f"the YAML tag '{event.tag}' is not allowed; remove it")

    def _scalar(self, event: Any, line: int) -> Any:
        text: str = event.value
        if any("\ud800" <= char <= "\udfff" for char in text):
            self._complain(line, "", "half a character (a lone surrogate); write the character itself")
            return ""
        if event.tag == f"{_TAG}str" or (event.tag in (None, "!") and not event.implicit[0]):
            return text
        if event.tag is not None:
            self._complain(line, "", f"the YAML tag '{event.tag}' is not allowed; remove it")
            return text
        return resolve(text)

    def _data(self, node: _Node, place: Place) -> Any:
        self._limit(node.line, len(place.loc))
        lines = place.document.lines
        if isinstance(node.value, list):
            items = []
            for index, item in enumerate(node.value):
                lines[(*place.loc, index)] = item.line
                items.append(self._data(item, place.at(index)))
            return items
        if isinstance(node.value, dict):
            mapping = Located()
            mapping.place = place
            for key, (line, item) in node.value.items():
                lines[(*place.loc, key)] = line
                mapping[key] = self._data(item, place.at(key))
            return mapping
        return node.value


def resolve(text: str) -> Any:
    """A plain scalar's value by the YAML 1.2 core schema: None, bool, int, float or str."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.match(text):
        return float(text.lower().replace(".", "")) if text[-1] in "fFnN" else float(text)
    return text
