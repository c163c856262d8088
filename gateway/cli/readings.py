"""Readings as a table: one line a tag, on a terminal of any width."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Self

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gateway.cli.output import console, on_terminal, status_text
from gateway.cli.words import age_text, value_text

_LEAST_VALUE: Final = 10
_LEAST_PATH: Final = 16
_LEAST_STATUS: Final = 14


@dataclass(frozen=True, slots=True)
class _Widths:
    """How many cells each column has; `gap` is 0 where the column is left out."""

    path: int
    value: int
    unit: int
    status: int
    age: int
    gap: int

    @classmethod
    def fitting(cls, rows: Sequence[Sequence[Text]], width: int) -> Self:
        """Only the value gives way, down to a least; where that is not enough the gap goes, then the path's front."""
        path, value, unit, status, age, gap = (max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True))
        left = width - 4 - path - unit - status - age  # one blank between two columns
        with_gap = gap > len("gap") and left - gap - 1 >= min(value, _LEAST_VALUE)
        left -= gap + 1 if with_gap else 0
        value = min(value, max(left, _LEAST_VALUE))
        path_left = max(path + min(0, left - value), min(path, _LEAST_PATH))
        left = left + path - path_left - value
        status = max(status + min(0, left), min(status, _LEAST_STATUS))
        return cls(path_left, value, unit, status, age, gap if with_gap else 0)


def readings_table(readings: Sequence[Mapping[str, Any]], moment: int, *, width: int | None = None, below: str = "") -> Group:
    """The table for a terminal of `width` cells; None where another program reads it: then nothing is cut.

    On a terminal the place that all tags share is said once, above. `below` is a line under it.
    """
    place = "" if width is None else _shared_place([reading["path"] for reading in readings])
    headings = ("path", "value", "unit", "status", "age", "gap")
    rows = [_cells(reading, moment, len(place)) for reading in readings]
    made = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    widths = None if width is None else _Widths.fitting([[Text(word) for word in headings], *rows], width)
    for heading in headings[: None if widths is None or widths.gap else -1]:
        size = None if widths is None else int(getattr(widths, heading))
        right = heading in ("value", "age")
        made.add_column(heading, justify="right" if right else "left", no_wrap=True, width=size, overflow="ellipsis")
    for row in rows:
        if widths is not None and cell_len(row[0].plain) > widths.path:
            row[0] = Text("…" + row[0].plain[-(widths.path - 1) :])
        made.add_row(*row[: len(made.columns)])
    above = [Text(place.rstrip("/"), style="italic")] if place else []
    return Group(*above, made, *([Text(below)] if below else []))


def fitted_width() -> int | None:
    """The terminal's width; None where standard output is none."""
    return console().width if on_terminal() else None


def _cells(reading: Mapping[str, Any], moment: int, shared: int) -> list[Text]:
    sample, gap = reading["sample"], reading["gap"]
    return [
        Text(reading["path"][shared:]),
        Text(value_text(sample)),
        Text(reading["unit"] or ""),
        status_text(reading["status"]),
        Text(age_text(moment, None if sample is None else sample["source_time_ns"])),
        Text("" if gap is None else gap["reason"]),
    ]


def _shared_place(paths: Sequence[str]) -> str:
    """The leading steps, with a slash, that all paths have in common; at least one step is left to each."""
    if not paths:
        return ""
    first, last = min(paths), max(paths)
    shared = [a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(first.split("/")[:-1], last.split("/"), strict=False))]
    return "/".join(shared) + "/" if shared else ""
