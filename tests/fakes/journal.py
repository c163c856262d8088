"""The push ledger in memory. Implements `gateway.recipes.journal.Journal`; held to it by `tests/contract/test_journal.py`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.errors import NotFound
from gateway.plant.hierarchy import matches
from gateway.recipes.journal import Intent, Lease, LeaseLost, Outcome, Push, PushState, Quarantine, Step


@dataclass
class MemoryJournal:
    """`record` gets every step as it becomes durable; a test may share the list with the equipment to see the order."""

    record: list[Any] = field(default_factory=list)
    _pushes: dict[int, Push] = field(default_factory=dict)
    _steps: dict[int, list[Step]] = field(default_factory=dict)
    _holders: dict[str, int | None] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)
    _last_tx: dict[str, int] = field(default_factory=dict)
    _quarantines: dict[str, Quarantine] = field(default_factory=dict)

    async def submit(self, intent: Intent, *, now: int) -> Push:
        for push in self._pushes.values():
            if (push.requested_by, push.idempotency_key) == (intent.requested_by, intent.idempotency_key):
                return push
        id = len(self._pushes) + 1
        self._pushes[id] = Push(id, intent.control, intent.requested_by, now, intent.idempotency_key, PushState.PLANNED)
        self._steps[id] = []
        self._add(Step(id, 1, now, 0, PushState.PLANNED))
        return self._pushes[id]

    async def push(self, id: int) -> Push:
        if id not in self._pushes:
            raise NotFound(f"there is no push {id}")
        return self._pushes[id]

    async def pushes(self, pattern: str = "", *, limit: int = 100) -> Sequence[Push]:
        found = [push for push in self._pushes.values() if matches(pattern, str(push.control.equipment))]
        return found[::-1][:limit]

    async def open_pushes(self) -> Sequence[Push]:
        return [push for push in self._pushes.values() if push.outcome is None]

    async def steps(self, id: int) -> Sequence[Step]:
        return list(self._steps.get(id, []))

    async def lease(self, push: Push, *, now: int) -> Lease | None:
        equipment = str(push.control.equipment)
        if self._pushes[push.id].outcome is not None or self._holders.get(equipment) not in (None, push.id):
            return None
        self._holders[equipment] = push.id
        self._epochs[equipment] = self._epochs.get(equipment, 0) + 1
        lease = Lease(push.id, equipment, self._epochs[equipment])
        self._add(Step(push.id, len(self._steps[push.id]) + 1, now, lease.epoch, PushState.LEASED))
        return lease

    async def append(
        self,
        lease: Lease,
        state: PushState,
        *,
        now: int,
        tx_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Step:
        self._check(lease)
        number = len(self._steps[lease.push]) + 1
        step = Step(lease.push, number, now, lease.epoch, state, tx_id, detail or {}, values or {})
        self._last_tx[lease.equipment] = max(self._last_tx.get(lease.equipment, 0), tx_id or 0)
        self._add(step)
        return step

    async def end(
        self, lease: Lease, outcome: Outcome, reason: str, *, now: int, values: Mapping[str, Any] | None = None
    ) -> Push:
        self._check(lease)
        number = len(self._steps[lease.push]) + 1
        self._add(Step(lease.push, number, now, lease.epoch, outcome, None, {"reason": reason}, values or {}))
        self._pushes[lease.push] = replace(
            self._pushes[lease.push], state=outcome.value, outcome=outcome, reason=reason, ended_at=now
        )
        self._holders[lease.equipment] = None
        if outcome is Outcome.QUARANTINED:
            self._quarantines.setdefault(lease.equipment, Quarantine(lease.equipment, lease.push, now, reason))
        return self._pushes[lease.push]

    async def last_tx(self, equipment: str) -> int:
        return self._last_tx.get(equipment, 0)

    async def quarantines(self) -> Sequence[Quarantine]:
        return list(self._quarantines.values())

    async def release_quarantine(self, equipment: str, *, by: str, reason: str, now: int) -> None:
        if self._quarantines.pop(equipment, None) is None:
            raise NotFound(f"{equipment} is not quarantined")

    async def outcomes(self) -> Mapping[tuple[str, Outcome], int]:
        ended = [push for push in self._pushes.values() if push.outcome is not None]
        return Counter((push.control.equipment.site, push.outcome) for push in ended if push.outcome is not None)

    def _check(self, lease: Lease) -> None:
        held = (self._holders.get(lease.equipment), self._epochs.get(lease.equipment))
        if held != (lease.push, lease.epoch):
            raise LeaseLost(f"push {lease.push} no longer holds {lease.equipment}")

    def _add(self, step: Step) -> None:
        self._steps[step.push].append(step)
        self._pushes[step.push] = replace(self._pushes[step.push], state=str(step.state))
        self.record.append(step)
