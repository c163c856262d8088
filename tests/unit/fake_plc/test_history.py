"""The controller's own history: order, pages, bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from asyncua import ua

from fake_plc.history import PAGE, HistoryRing

START = datetime(2026, 1, 1, tzinfo=UTC)
NODE = ua.NodeId("a", 2)


def ring(count: int, capacity: int = 10_000) -> HistoryRing:
    found = HistoryRing(capacity)
    for second in range(count):
        found.save(
            NODE,
            ua.DataValue(ua.Variant(float(second), ua.VariantType.Double), SourceTimestamp=START + timedelta(seconds=second)),
        )
    return found


async def read(
    history: HistoryRing, start: float | None, end: float | None, count: int = 0
) -> tuple[list[float], datetime | None]:
    begin = None if start is None else START + timedelta(seconds=start)
    finish = None if end is None else START + timedelta(seconds=end)
    values, following = await history.read_node_history(NODE, begin, finish, count)
    return [value.Value.Value for value in values], following


async def test_forward_backward_and_open_ends() -> None:
    history = ring(6)
    assert (await read(history, 1, 3))[0] == [1.0, 2.0, 3.0]
    assert (await read(history, 3, 1))[0] == [3.0, 2.0, 1.0]
    assert (await read(history, 4, None))[0] == [4.0, 5.0]
    assert (await read(history, None, 4, 2))[0] == [4.0, 3.0]
    assert (await read(HistoryRing(), 0, 9)) == ([], None)


async def test_more_than_asked_for_is_continued() -> None:
    history = ring(6)
    page, following = await read(history, 1, 5, 2)
    assert (page, following) == ([1.0, 2.0], START + timedelta(seconds=3))
    page, following = await read(history, 5, 1, 2)
    assert (page, following) == ([5.0, 4.0], START + timedelta(seconds=3))


async def test_a_long_read_comes_in_pages() -> None:
    history = ring(PAGE + 5)
    page, following = await read(history, 0, None)
    assert len(page) == PAGE
    assert following == START + timedelta(seconds=PAGE)
    assert len((await read(history, PAGE, None))[0]) == 5


async def test_the_oldest_goes_first_and_namespaces_may_move() -> None:
    history = ring(10, capacity=3)
    values, _ = await history.read_node_history(ua.NodeId("a", 5), START, None, 0)
    assert [value.Value.Value for value in values] == [7.0, 8.0, 9.0]
