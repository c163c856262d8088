"""The loss account of one endpoint: received = stored + Σ rejected + in flight, at every moment."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.plant.ports import Receipt


@dataclass(slots=True)
class LossAccount:
    """Counts values. Each side is counted where it happens, so that the sum is a proof and not a definition:
    `received` by the socket's side, `stored` and `rejected` from the store's receipts, what is in flight by the intake."""

    received: int = 0
    stored: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def settle(self, receipt: Receipt) -> None:
        """The store has taken a delivery: what became of its values."""
        self.stored += receipt.stored
        self.rejected.update(receipt.rejected)

    def reject(self, reason: str, count: int) -> None:
        """Values that never reach the store, and why."""
        if count:
            self.rejected[reason] += count

    def rejections(self) -> Mapping[str, int]:
        """A copy to hand out."""
        return dict(self.rejected)
