"""The method profile: Prepare, Commit, Confirm and Cancel are OPC UA methods of the block; one TxId names a transaction."""

from typing import Final

from gateway.plant.ports import TypedValue
from gateway.plant.status_names import describe
from gateway.plant.values import is_good
from gateway.recipes.block import STRING, UINT32, RecipeBlock
from gateway.recipes.handshake.words import Answer


class MethodHandshake:
    """Implements `Handshake` by method calls."""

    tx_per_operation: Final = False

    def __init__(self, block: RecipeBlock) -> None:
        self._block = block

    async def prepare(self, tx_id: int, digest: str) -> Answer:
        return await self._call("Prepare", TypedValue(UINT32, tx_id), TypedValue(STRING, digest))

    async def commit(self, tx_id: int, digest: str, confirm_seconds: int) -> Answer:
        del digest  # the transaction carries it since Prepare
        return await self._call("Commit", TypedValue(UINT32, tx_id), TypedValue(UINT32, confirm_seconds))

    async def confirm(self, tx_id: int, digest: str) -> Answer:
        del digest
        return await self._call("Confirm", TypedValue(UINT32, tx_id))

    async def cancel(self, tx_id: int) -> Answer:
        return await self._call("Cancel", TypedValue(UINT32, tx_id))

    async def _call(self, method: str, *arguments: TypedValue) -> Answer:
        block = self._block
        outcome = await block.session.call(block.node(""), block.node(method), arguments)
        if not is_good(outcome.status):
            return Answer(None, f"{method} could not be called: {describe(outcome.status)}")
        if not outcome.outputs:
            return Answer(None, f"{method} answered nothing; docs/handshake.md asks for (Result, Reason)")
        return Answer.of(outcome.outputs[0])
