"""Gaps as deliveries open and close them. Pure bookkeeping; the rules are those of `gateway.plant.ports.Delivery`."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.plant.ports import Delivery, Gap


def gaps_to_write(delivery: Delivery) -> list[Gap]:
    """The delivery's own gaps as they are to be stored: none ends before it starts."""
    return [replace(gap, end=None if gap.end is None else max(gap.end, gap.start)) for gap in delivery.gaps]


class OpenGaps:
    """The gaps without an end, by endpoint; changed only after a commit is durable."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        self._by_endpoint: dict[int, list[Gap]] = {}
        for gap in gaps:
            self._by_endpoint.setdefault(gap.endpoint, []).append(gap)

    def apply(self, delivery: Delivery, written: Iterable[Gap]) -> None:
        """Take over what a delivery closed and opened."""
        closed = frozenset(delivery.closes_tags)
        kept = [
            gap
            for gap in self._by_endpoint.get(delivery.endpoint, ())
            if not (delivery.closes if gap.tag is None else gap.tag in closed)
        ]
        self._by_endpoint[delivery.endpoint] = kept + [gap for gap in written if gap.end is None]

    def forget(self, tag: int) -> None:
        """Take over that a tag's own gaps were closed because it moved to another endpoint."""
        self._by_endpoint = {endpoint: [gap for gap in gaps if gap.tag != tag] for endpoint, gaps in self._by_endpoint.items()}

    def all(self) -> list[Gap]:
        """Every open gap."""
        return [gap for gaps in self._by_endpoint.values() for gap in gaps]

    def of(self, endpoint: int, tag: int) -> list[Gap]:
        """The open gaps that concern one tag."""
        return [gap for gap in self._by_endpoint.get(endpoint, ()) if gap.tag is None or gap.tag == tag]
