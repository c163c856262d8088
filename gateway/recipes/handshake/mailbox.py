"""The mailbox profile: a request is written to `Cmd`, its number last; the controller acknowledges the number in `Sts`."""

import asyncio
from typing import Final

from gateway.errors import ServiceFault
from gateway.plant.ports import Clock, TypedValue
from gateway.plant.status_names import describe
from gateway.recipes.block import INT32, STRING, UINT32, RecipeBlock
from gateway.recipes.handshake.words import Answer, Op

BAD_TIMEOUT: Final = 0x800A_0000


class MailboxHandshake:
    """Implements `Handshake` by command and status variables ("How a mailbox request is made")."""

    tx_per_operation: Final = True

    def __init__(self, block: RecipeBlock, clock: Clock, *, answer_s: float, poll_s: float) -> None:
        self._block = block
        self._clock = clock
        self._answer_s = answer_s
        self._poll_s = poll_s

    async def prepare(self, tx_id: int, digest: str) -> Answer:
        return await self._request(tx_id, Op.PREPARE, digest, 0)

    async def commit(self, tx_id: int, digest: str, confirm_seconds: int) -> Answer:
        return await self._request(tx_id, Op.COMMIT, digest, confirm_seconds)

    async def confirm(self, tx_id: int, digest: str) -> Answer:
        return await self._request(tx_id, Op.CONFIRM, digest, 0)

    async def cancel(self, tx_id: int) -> Answer:
        return await self._request(tx_id, Op.CANCEL, "", 0)

    async def _request(self, tx_id: int, op: Op, digest: str, confirm_seconds: int) -> Answer:
        block = self._block
        content = {
            "Digest": TypedValue(STRING, digest),
            "ConfirmSeconds": TypedValue(UINT32, confirm_seconds),
            "Op": TypedValue(INT32, int(op)),
        }
        statuses = await block.session.write([(block.node(f"Cmd/{name}"), value) for name, value in content.items()])
        for name, status in zip(content, statuses, strict=True):
            if status != 0:
                return Answer(None, f"{op.name}: Cmd/{name} could not be written: {describe(status)}")
        # The number in a request of its own: within one Write the order is the server's (OPC 10000-4, 5.11.4).
        (status,) = await block.session.write([(block.node("Cmd/TxId"), TypedValue(UINT32, tx_id))])
        if status != 0:
            return Answer(None, f"{op.name}: Cmd/TxId could not be written: {describe(status)}")
        deadline = self._clock.monotonic() + self._answer_s
        while True:
            seen = await block.status()
            if seen.ack_tx_id == tx_id:
                # AckTxId is set last, but one Read may have taken Reason before it: only a later read is sure of both.
                return Answer.of((await block.status()).reason)
            if self._clock.monotonic() > deadline:
                raise ServiceFault(
                    f"{block.control.equipment}: no answer to {op.name} within {self._answer_s:g} s (Sts/AckTxId stays"
                    f" {seen.ack_tx_id}); check that the controller runs its recipe block",
                    BAD_TIMEOUT,
                )
            await asyncio.sleep(self._poll_s)
