"""Commits numbered batches until it is killed: after each commit, durable by contract, it prints the batch's number.

Run as `python -m tests.unit.store.committing_process DIRECTORY`. Batch n holds the value n for each of four tags, and a text;
every third batch repeats the one before, every fifth seals.
"""

import asyncio
import sys
from pathlib import Path

from gateway.plant.ports import Delivery, Gap, GapReason
from gateway.plant.values import DataType
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from tests.contract.batches import START, changes, plant, text
from tests.contract.conftest import SystemClock


async def commit_for_ever(twin: SqliteTwin) -> None:
    """Go on after the newest stored batch."""
    endpoint = await plant(twin, 5)
    [reading] = await twin.current("ochang/electrode/line-1/coater-1/T0", now=0, grace_ns=1)
    number = int(reading.sample.value) if reading.sample else 0
    while True:
        number += 1
        at = START + number
        numbers = changes([1, 2, 3, 4], [at] * 4, [number] * 4)
        words = changes([5], [at], [text(str(number))], DataType.VARIANT)
        gap = Gap(endpoint, None, at, at + 1, GapReason.SEQUENCE_LOST)
        await twin.commit([Delivery(endpoint, [numbers, words], gaps=[gap], heard=at)])
        print(number, flush=True)
        if number % 3 == 0:
            await twin.commit([Delivery(endpoint, [numbers])])
        if number % 5 == 0:
            await twin.seal()


async def main(directory: Path) -> None:
    """Open the twin and commit."""
    with claim(directory, ballast_bytes=1 << 16) as data:
        async with open_twin(data, SystemClock()) as twin:
            await commit_for_ever(twin)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
