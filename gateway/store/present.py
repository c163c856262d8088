"""What every tag is now, in arrays indexed by tag number."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.plant.ports import TagRecord
from gateway.plant.values import DataType, Sample
from gateway.store.rows import Rows

#: The source time of a tag that was never stored: below every real one.
NEVER: Final = int(np.iinfo(np.int64).min)
_COLUMNS: Final = ("tag", "source", "server", "received", "status", "flags", "type", "bits")


class Present:
    """The newest row of each tag, and how many rows of it were stored. Changed only after a commit is durable."""

    def __init__(self) -> None:
        self._capacity = 0
        self.known = 0  #: tags are numbered 1 to `known`
        self.endpoint: NDArray[np.int32] = np.zeros(0, np.int32)  #: of each tag; 0 where there is no such tag
        self.stored: NDArray[np.int64] = np.zeros(0, np.int64)  #: of each tag, while with its present endpoint
        self.rows = Rows(*(np.zeros(0, dtype) for dtype in ("u4", "i8", "i8", "i8", "u4", "u1", "u1", "u8")))
        self._encoded: dict[int, bytes] = {}
        self.paths: list[str] = [""]
        self.units: list[str | None] = [None]
        self.types: list[str] = [""]
        self.numbers: dict[str, int] = {}
        self._by_path: list[tuple[str, int]] | None = None

    @property
    def source(self) -> NDArray[np.int64]:
        """The newest source time of each tag, `NEVER` where there is none."""
        return self.rows.source

    def learn(self, number: int, record: TagRecord, endpoint: int) -> None:
        """Make tag `number` known, or update what is known of it."""
        self._grow(number + 1)
        while len(self.paths) <= number:
            self.paths.append("")
            self.units.append(None)
            self.types.append("")
        self.known = max(self.known, number)
        self.endpoint[number] = endpoint
        self.paths[number] = record.path
        self.units[number] = record.unit
        self.types[number] = record.type
        self.numbers[record.path] = number
        self._by_path = None

    def by_path(self) -> list[tuple[str, int]]:
        """(path, number) of every tag, by path."""
        if self._by_path is None:
            self._by_path = sorted(self.numbers.items())
        return self._by_path

    def _grow(self, wanted: int) -> None:
        if wanted <= self._capacity:
            return
        more = max(wanted, 2 * self._capacity, 1024) - self._capacity
        self._capacity += more
        self.endpoint = np.concatenate([self.endpoint, np.zeros(more, np.int32)])
        self.stored = np.concatenate([self.stored, np.zeros(more, np.int64)])
        grown: list[Any] = [
            np.concatenate([column, np.zeros(more, column.dtype)]) for column in (getattr(self.rows, name) for name in _COLUMNS)
        ]
        grown[1][-more:] = NEVER
        self.rows = Rows(*grown)

    def apply(self, rows: Rows) -> None:
        """Make these rows, one a tag, the newest of their tags."""
        at = rows.tag
        for name in _COLUMNS:
            getattr(self.rows, name)[at] = getattr(rows, name)
        if rows.encoded is not None:
            for row in np.flatnonzero(rows.type == DataType.VARIANT).tolist():
                self._encoded[int(at[row])] = rows.variant(row)

    def count(self, rows: Rows) -> None:
        """Add rows to the number each tag has stored."""
        np.add.at(self.stored, rows.tag, 1)

    def replay(self, rows: Rows) -> None:
        """Take over rows of the log, in the order they were stored: those not older than the newest become it."""
        rows = rows.take(np.lexsort((rows.source, rows.tag)))
        last = np.append(rows.tag[1:] != rows.tag[:-1], True)
        self.apply(rows.take(last & (rows.source >= self.source[rows.tag])))

    def newest(self, tags: NDArray[Any]) -> Rows:
        """The newest rows of these tags; every one of them must have one."""
        rows = self.rows.take(tags)
        if not self._encoded:
            return rows
        encoded = np.empty(len(rows), np.object_)
        for row in np.flatnonzero(rows.type == DataType.VARIANT).tolist():
            encoded[row] = self._encoded[int(tags[row])]
        return replace(rows, encoded=encoded)

    def sample(self, tag: int) -> Sample | None:
        """The newest value of one tag."""
        if self.rows.source[tag] == NEVER:
            return None
        return self.newest(np.array([tag])).sample(0)
