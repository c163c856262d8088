"""What becomes of the rows of one commit: stored, a duplicate, or poison. Pure: the store asks, looks up, and writes.

A duplicate has the tag, source time, status and value (bit by bit) of a row that is stored already or stands before it in the
commit. Rows that are newer than all before them, nearly all rows, are judged by a few NumPy steps; the others one by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.plant.ports import Delivery
from gateway.plant.values import DataType
from gateway.store.present import NEVER, Present
from gateway.store.rows import Rows, decodable, from_changes, join

DUPLICATE: Final = "duplicate"
POISON: Final = "poison"
#: A source time further ahead of its receipt than this is poison: it would stay the newest for as long.
MAX_AHEAD_NS: Final = 24 * 3600 * 1_000_000_000

_STORED, _DUPLICATE, _POISON = 0, 1, 2

#: What tells one row from another: (tag, source time, (status, type, value)).
Key = tuple[int, int, tuple[int, int, bytes | int]]


@dataclass(slots=True)
class Intake:
    """The rows of one commit under judgement.

    `questions` are (tag, source time) pairs to look up in history before `settle`; none where every row is newer than history.
    """

    rows: Rows
    delivery: NDArray[np.int32]  #: of each row, the index of its delivery
    verdict: NDArray[np.uint8]
    complaints: dict[int, str]  #: of poison rows
    order: NDArray[np.intp]  #: the rows left, by tag, then as they came
    newest: list[NDArray[np.intp]]  #: rows that become the newest of their tags
    questions: Rows | None = None

    def rejected(self, count: int) -> list[dict[str, int]]:
        """Of each of `count` deliveries, how many rows were refused for which reason."""
        found: list[dict[str, int]] = [{} for _ in range(count)]
        for verdict, reason in ((_DUPLICATE, DUPLICATE), (_POISON, POISON)):
            refused = self.verdict == verdict
            if refused.any():
                for index, number in enumerate(np.bincount(self.delivery[refused], minlength=count).tolist()):
                    if number:
                        found[index][reason] = number
        return found

    def stored(self, count: int) -> list[int]:
        """Of each of `count` deliveries, how many rows are stored."""
        return np.bincount(self.delivery[self.verdict == _STORED], minlength=count).tolist()  # type: ignore[no-any-return]

    def accepted(self) -> Rows:
        """The rows to store, as they came."""
        kept = self.verdict == _STORED
        return self.rows if kept.all() else self.rows.take(kept)

    def newest_rows(self) -> Rows:
        """The rows that become the newest of their tags, one a tag."""
        return self.rows.take(np.concatenate(self.newest) if self.newest else np.zeros(0, np.intp))


def sift(deliveries: Sequence[Delivery], present: Present) -> Intake:
    """Judge the rows as far as it goes without history."""
    parts = [(index, from_changes(changes)) for index, item in enumerate(deliveries) for changes in item.changes]
    rows = join([part for _, part in parts])
    delivery = np.repeat(np.array([index for index, _ in parts], np.int32), [len(part) for _, part in parts])
    intake = Intake(rows, delivery, np.zeros(len(rows), np.uint8), {}, np.zeros(0, np.intp), [])
    _refuse_poison(intake, deliveries, present)
    healthy = np.flatnonzero(intake.verdict == _STORED)
    intake.order = healthy[np.argsort(rows.tag[healthy], kind="stable")]
    _refuse_repeats(intake, present)
    _part_late_from_new(intake, present)
    return intake


def settle(intake: Intake, present: Present, known: Iterable[Key]) -> None:
    """Judge the rows that were in question, given the keys of the stored rows at their tags and times."""
    if intake.questions is None:
        return
    seen = set(known)
    rows = intake.rows
    newest: dict[int, tuple[int, int | None]] = {}
    for row in intake.order.tolist():
        tag, source = int(rows.tag[row]), int(rows.source[row])
        if tag not in newest:
            newest[tag] = (int(present.source[tag]), None)
            if present.source[tag] != NEVER:
                # Retention may have taken the newest row out of history, but a server repeats it at every reconnection.
                seen.add((tag, int(present.source[tag]), present.newest(np.array([tag])).content(0)))
        key = (tag, source, rows.content(row))
        if key in seen:
            intake.verdict[row] = _DUPLICATE
            continue
        seen.add(key)
        if source >= newest[tag][0]:
            newest[tag] = (source, row)
    intake.newest.append(np.array([row for _, row in newest.values() if row is not None], np.intp))


def _refuse_poison(intake: Intake, deliveries: Sequence[Delivery], present: Present) -> None:
    rows = intake.rows
    endpoints = np.array([item.endpoint for item in deliveries], np.int32)[intake.delivery]
    within = rows.tag < len(present.endpoint)
    strangers = ~within | (present.endpoint[np.where(within, rows.tag, 0)] != endpoints)
    absurd = (rows.source < 0) | (rows.source - rows.received > MAX_AHEAD_NS)
    for row in np.flatnonzero(strangers).tolist():
        intake.complaints[row] = f"tag number {int(rows.tag[row])} is none of endpoint {int(endpoints[row])}'s"
    for row in np.flatnonzero(absurd & ~strangers).tolist():
        intake.complaints[row] = (
            "its source time is before 1970 or more than a day after it was received: set the equipment's clock"
        )
    if rows.encoded is not None:
        for row in np.flatnonzero(rows.type == DataType.VARIANT).tolist():
            complaint = decodable(rows.variant(row))
            if complaint is not None:
                intake.complaints.setdefault(row, f"its bytes are no Variant: {complaint}")
    intake.verdict[list(intake.complaints)] = _POISON


def _previous(intake: Intake, present: Present) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of each row in order: is it the first of its tag, and the source time before it (of the row before, or stored)."""
    tags, source = intake.rows.tag[intake.order], intake.rows.source[intake.order]
    first = np.ones(len(tags), np.bool_)
    first[1:] = tags[1:] != tags[:-1]
    before = np.empty_like(source)
    before[1:] = source[:-1]
    before[first] = present.source[tags[first]]
    return first, before


def _refuse_repeats(intake: Intake, present: Present) -> None:
    """Refuse rows that equal the one before them of their tag, such as all those a server sends again after a reconnection."""
    rows, order = intake.rows, intake.order
    first, before = _previous(intake, present)
    suspects = np.flatnonzero(rows.source[order] == before)
    if not len(suspects):
        return
    repeats = np.zeros(len(order), np.bool_)
    heads = suspects[first[suspects]]
    stored, came = present.newest(rows.tag[order[heads]]), order[heads]
    repeats[heads] = _same(rows, came, stored, np.arange(len(heads)))
    others = suspects[~first[suspects]]
    repeats[others] = _same(rows, order[others], rows, order[others - 1])
    intake.verdict[order[repeats]] = _DUPLICATE
    intake.order = order[~repeats]


def _same(a: Rows, at: NDArray[np.intp], b: Rows, bt: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where the contents of rows `at` of `a` and `bt` of `b` are equal, bit by bit (so a NaN equals the same NaN)."""
    same: NDArray[np.bool_] = (a.bits[at] == b.bits[bt]) & (a.type[at] == b.type[bt]) & (a.status[at] == b.status[bt])
    for index in np.flatnonzero(same & (a.type[at] == DataType.VARIANT)).tolist():
        same[index] = a.variant(at[index]) == b.variant(bt[index])
    return same


def _part_late_from_new(intake: Intake, present: Present) -> None:
    """Let the rows of tags whose time only moves on become the newest; leave the others in `order` for `settle`."""
    rows, order = intake.rows, intake.order
    first, before = _previous(intake, present)
    tags = rows.tag[order]
    late = rows.source[order] <= before
    if late.any():
        troubled = np.isin(tags, np.unique(tags[late]))
        intake.order = order[troubled]
        asked = rows.take(intake.order)
        intake.questions = asked.take(asked.source <= present.source[asked.tag])
        tags, order = tags[~troubled], order[~troubled]
        first = first[~troubled]
    else:
        intake.order = order[:0]
    last = np.ones(len(tags), np.bool_)
    last[:-1] = first[1:]
    intake.newest.append(order[last])


def split_by_type(rows: Rows) -> list[tuple[int, Rows]]:
    """Rows as (type to store them as, rows), each in the order they came.

    The rows of a tag that has several types in one commit are all stored as Variants: one column keeps their order.
    """
    kinds = np.unique(rows.type)
    if len(kinds) == 1:
        return [(int(kinds[0]), rows)]
    stored_as = rows.type.copy()
    order = np.argsort(rows.tag, kind="stable")
    tags, types = rows.tag[order], rows.type[order]
    mixed = np.unique(tags[1:][(tags[1:] == tags[:-1]) & (types[1:] != types[:-1])])
    if len(mixed):
        stored_as[np.isin(rows.tag, mixed)] = DataType.VARIANT
    return [(kind, rows.take(stored_as == kind)) for kind in np.unique(stored_as).tolist()]


def keys(rows: Rows, wanted: Iterable[Any] | None = None) -> set[Key]:
    """The keys of the rows (at these indexes)."""
    return {
        (int(rows.tag[row]), int(rows.source[row]), rows.content(row)) for row in (range(len(rows)) if wanted is None else wanted)
    }
