"""`make bench`: decoding and storing notifications, this gateway's way and asyncua's own, on the same bytes in one run.

Writes bench.json and prints a table. CPU seconds are the process's (`time.process_time`), all threads included.
"""

import argparse
import asyncio
import datetime
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from gateway.mirror.account import LossAccount
from gateway.mirror.feed import Feed
from gateway.mirror.intake import Intake, SessionSink
from gateway.mirror.items import Table
from gateway.mirror.message import Message
from gateway.opcua.notifications import decode
from gateway.opcua.publishing import parse_publish_response
from gateway.plant.ports import TagRecord
from gateway.runtime.surroundings import SystemClock
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import open_twin
from tests.fakes.plant import items_with

ITEMS_PER_MESSAGE = 1000


def publish_responses(messages: int) -> list[bytes]:
    """Encoded PublishResponses of ITEMS_PER_MESSAGE doubles each, times moving on by 100 ms a message."""
    rng = np.random.default_rng(1)
    start = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - asyncua's times are naive
    bodies = []
    for number in range(messages):
        when = start + datetime.timedelta(milliseconds=100 * number)
        values = 20 + rng.normal(0, 0.1, ITEMS_PER_MESSAGE)
        items = [
            ua.MonitoredItemNotification(
                handle,
                ua.DataValue(ua.Variant(float(value), ua.VariantType.Double), SourceTimestamp=when, ServerTimestamp=when),
            )
            for handle, value in enumerate(values)
        ]
        response = ua.PublishResponse()
        response.Parameters.SubscriptionId = 1
        response.Parameters.NotificationMessage = ua.NotificationMessage(
            SequenceNumber=number + 1, PublishTime=when, NotificationData=[ua.DataChangeNotification(MonitoredItems=items)]
        )
        bodies.append(struct_to_binary(response))
    return bodies


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of one run of `work`."""
    began = time.process_time()
    work()
    return time.process_time() - began


def decode_asyncua(bodies: Sequence[bytes]) -> None:
    """What a bare asyncua client does with each response, without any handler."""
    for body in bodies:
        struct_from_binary(ua.PublishResponse, Buffer(body))


def decode_ours(bodies: Sequence[bytes]) -> None:
    """Our parsing and run decoding, four messages at a time."""
    messages = [parse_publish_response(body, 0) for body in bodies]
    for at in range(0, len(messages), 4):
        assert not decode(messages[at : at + 4]).undecodable


class DecodingFeed:
    """The part of a feed that the intake needs when there is no server behind it."""

    decode = staticmethod(decode)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Nobody waits for it."""


async def store_ours(bodies: Sequence[bytes], directory: Path) -> tuple[float, float, int]:
    """Parse, decode, and commit durably about every 25 messages. Returns CPU seconds, bytes on disk, values stored."""
    items = items_with(ITEMS_PER_MESSAGE)
    with claim(directory, ballast_bytes=0) as data:
        async with open_twin(data, SystemClock()) as twin:
            endpoint = await twin.register_endpoint("here/plc")
            marks = await twin.register_tags([TagRecord(item.path, "here/plc", "", "oven", "Double") for item in items])
            table = Table(items, [mark.tag for mark in marks], [mark.source_time for mark in marks])
            intake = Intake(endpoint, table, LossAccount(), lambda: None)
            sink = SessionSink(intake)
            sink.feed = cast("Feed", DecodingFeed())
            began = time.process_time()
            for number, body in enumerate(bodies, 1):
                sink.accept(parse_publish_response(body, time.time_ns()))
                if number % 25 and number < len(bodies):
                    continue
                load = intake.take()
                assert load is not None
                (receipt,) = await twin.commit([load.delivery])
                intake.settle(load, receipt)
            await twin.maintain()
            cpu = time.process_time() - began
            assert intake.account.received == intake.account.stored == len(bodies) * ITEMS_PER_MESSAGE
            figures = await twin.statistics()
            return cpu, figures["bytes"], intake.account.stored


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--messages", type=int, default=400, help="notifications of 1,000 doubles")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    bodies = publish_responses(options.messages)
    values = len(bodies) * ITEMS_PER_MESSAGE
    few = bodies[: max(1, len(bodies) // 10)]  # asyncua is slow enough to be measured on a tenth
    asyncua_s, ours_s, stored_s = [], [], []
    for _ in range(options.rounds):  # in turn, so that a drifting machine weighs on all alike
        asyncua_s.append(cpu_of(lambda: decode_asyncua(few)) * len(bodies) / len(few))
        ours_s.append(cpu_of(lambda: decode_ours(bodies)))
        with tempfile.TemporaryDirectory() as directory:
            cpu, _, _ = asyncio.run(store_ours(bodies, Path(directory)))
            stored_s.append(cpu)
    asyncua_cpu, ours_cpu, stored_cpu = (float(np.median(each)) for each in (asyncua_s, ours_s, stored_s))
    figures = {
        "decode.asyncua_us_per_value": asyncua_cpu / values * 1e6,
        "decode.us_per_value": ours_cpu / values * 1e6,
        "decode.ratio_vs_asyncua": asyncua_cpu / ours_cpu,
        "decode_and_store.us_per_value": stored_cpu / values * 1e6,
        "decode_and_store.values_per_cpu_s": values / stored_cpu,
        "decode_and_store.ratio_vs_asyncua_decoding_alone": asyncua_cpu / stored_cpu,
    }
    options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"{values:,} doubles in notifications of {ITEMS_PER_MESSAGE:,}, median of {options.rounds} rounds, CPU time\n")
    for name, figure in figures.items():
        print(f"{name:55} {figure:>16,.3f}")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()
