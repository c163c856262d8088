"""The one writer: what the store refuses is kept, and tried again; gaps are recorded even on a full disk."""

from collections.abc import Sequence

from gateway.errors import StoreFull
from gateway.mirror.ingest import Ingest
from gateway.plant.ports import Delivery, GapReason, Receipt
from tests.fakes.twin_store import MemoryTwin
from tests.unit.mirror.test_intake import SECOND, Bench


class TightTwin(MemoryTwin):
    """A store that has room for gaps alone, while `tight`."""

    def __init__(self) -> None:
        super().__init__()
        self.tight = True
        self.taken: list[Delivery] = []

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        if self.tight and any(len(changes) for item in deliveries for changes in item.changes):
            raise StoreFull("no space left on the device")
        self.taken += deliveries
        return [Receipt(item.endpoint, sum(map(len, item.changes))) for item in deliveries]


async def test_on_a_full_disk_gaps_are_recorded_once_and_values_wait() -> None:
    bench, twin = Bench(), TightTwin()
    ingest = Ingest(twin, lambda: [bench.intake])
    bench.sink.accept(bench.feed.data(1, [(0, 1.0, SECOND, 0)]))
    bench.intake.open_gap(2 * SECOND, GapReason.DISCONNECTED, "pulled")
    assert not await ingest.commit()
    assert not await ingest.commit()
    assert [gap.start for item in twin.taken for gap in item.gaps] == [2 * SECOND]
    assert (bench.intake.in_flight, ingest.trouble) == (1, "no space left on the device")
    assert bench.feed.acknowledged == []
    twin.tight = False
    assert await ingest.commit()
    assert [gap.start for item in twin.taken for gap in item.gaps] == [2 * SECOND]
    assert (bench.account.stored, bench.intake.in_flight, ingest.trouble) == (1, 0, "")
    assert bench.feed.acknowledged == [1]
