"""Pure rules of the mirror: grouping, queue sizes, conversion, back-off, conformance."""

import random
from dataclasses import replace

import pytest

from gateway.mirror.backoff import Backoff
from gateway.mirror.conformance import judge
from gateway.mirror.items import group
from gateway.plant.equipment_class import Deadband
from gateway.plant.ports import ItemRequest, NodeFacts
from gateway.plant.values import DataType
from tests.fakes.plant import items_with


def requests(kinds: dict[DataType, int]) -> list[ItemRequest]:
    many = [kind for kind, count in kinds.items() for _ in range(count)]
    return [ItemRequest(handle, f"nsu=urn:x;i={handle}", 1000.0, 2, None, kind) for handle, kind in enumerate(many)]


def test_types_with_many_items_get_subscriptions_of_their_own() -> None:
    groups = group(requests({DataType.DOUBLE: 60, DataType.INT32: 55, DataType.STRING: 3, DataType.BOOLEAN: 4}), None)
    assert [{request.type for request in each} for each in groups] == [
        {DataType.DOUBLE}, {DataType.INT32}, {DataType.STRING, DataType.BOOLEAN},
    ]  # fmt: skip
    assert sorted(request.handle for each in groups for request in each) == list(range(122))


def test_a_server_s_limit_of_items_per_subscription_is_kept() -> None:
    groups = group(requests({DataType.DOUBLE: 250}), 100)
    assert [len(each) for each in groups] == [100, 100, 50]


def test_few_subscriptions_even_with_many_types() -> None:
    assert len(group(requests(dict.fromkeys(list(DataType)[1:14], 60)), None)) == 6


def test_nothing_to_mirror_means_no_subscription() -> None:
    assert group([], None) == []


@pytest.mark.parametrize(("cover_s", "queue"), [(10.0, 11), (0.0, 2), (1e9, 10_000)])
def test_the_queue_covers_an_outage(cover_s: float, queue: int) -> None:
    (item,) = items_with(1)
    assert item.request(0, "nsu=urn:x;i=1", cover_s).queue_size == queue


def test_a_deadband_is_asked_for_in_the_site_s_own_unit() -> None:
    (item,) = items_with(1, fahrenheit={0})
    banded = replace(item, tag=replace(item.tag, deadband=Deadband("absolute", 1.0)))
    band = banded.deadband()
    assert band is not None
    assert band.value == pytest.approx(1.8)


def test_the_first_retry_is_at_once_and_later_ones_spread() -> None:
    backoff = Backoff(random.Random(1), longest_s=30.0)
    delays = [backoff.next_delay() for _ in range(50)]
    assert delays[0] == 0.0
    assert all(0.5 <= delay <= 30.0 for delay in delays[1:])
    assert max(delays[1:3]) <= 2.0
    assert max(delays) > 15.0
    backoff.succeeded()
    assert backoff.next_delay() == 0.0


def test_what_does_not_conform_is_named_with_a_cure() -> None:
    (item,) = items_with(1)
    fine = NodeFacts(0, DataType.DOUBLE, "Double", readable=True)
    assert judge(item, fine, 0) == []
    (missing,) = judge(item, None, 0x806F0000)
    assert missing.severity == "fault"
    assert "T0" in missing.problem
    assert "rename" in missing.cure
    wrong = judge(item, NodeFacts(0, DataType.STRING, "String", array=True), 0)
    assert [finding.problem.split(",")[0] for finding in wrong] == [
        "declared Double",
        "declared Double",
        "our user may not read it",
    ]
