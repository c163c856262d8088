"""The publish loop under servers that hold little, skip, repeat and count anew: nothing is lost uncounted."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from asyncua import ua

from gateway.errors import CertificateUntrusted, ServiceFault
from gateway.mirror.feed import PublishCounters
from gateway.mirror.message import Message
from gateway.opcua import publishing, session
from gateway.opcua.pki import Pki
from gateway.opcua.publishing import Publisher
from gateway.plant.equipment_class import Endpoint
from tests.fakes.subscriptions import until

BAD_TOO_MANY_PUBLISH_REQUESTS = 0x8078_0000
BAD_MESSAGE_NOT_AVAILABLE = 0x807B_0000
BAD_TIMEOUT = 0x800A_0000


class Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.gaps: list[tuple[int, int, int]] = []

    async def room(self) -> None:
        pass

    def accept(self, message: Message) -> None:
        self.sequences.append(message.sequence)

    def lost(self, subscription: int, since: int, until: int) -> None:
        self.gaps.append((subscription, since, until))


def _header(response: int) -> bytes:
    return b"\x01\x00" + struct.pack("<HqIIBi", response, 0, 1, 0, 0, -1) + b"\x00\x00\x00"


def _message(sequence: int) -> bytes:
    """A NotificationMessage of one Double."""
    items = struct.pack("<i", 1) + struct.pack("<IB", 0, 1) + b"\x0b" + struct.pack("<d", 1.0) + struct.pack("<i", -1)
    part = b"\x01\x00" + struct.pack("<HBi", 811, 1, len(items)) + items
    return struct.pack("<Iqi", sequence, 0, 1) + part


def publish_response(sequence: int, subscription: int = 1) -> bytes:
    return _header(829) + struct.pack("<Ii", subscription, -1) + b"\x00" + _message(sequence) + struct.pack("<ii", -1, -1)


def republish_response(sequence: int) -> bytes:
    return _header(835) + _message(sequence)


class Server:
    """Sends the messages with these numbers, then nothing more; republishes those it `keeps`."""

    def __init__(self, sequences: Sequence[int], keeps: Sequence[int] = (), subscription: int = 1) -> None:
        self.rest = [publish_response(sequence, subscription) for sequence in sequences]
        self.keeps = keeps
        self.asked_again: list[int] = []
        self.acknowledged: list[int] = []

    async def send(self, request: object, timeout: float) -> bytes:
        if isinstance(request, ua.RepublishRequest):
            sequence = int(request.Parameters.RetransmitSequenceNumber)
            self.asked_again.append(sequence)
            if sequence in self.keeps:
                return republish_response(sequence)
            raise ServiceFault("not available", BAD_MESSAGE_NOT_AVAILABLE)
        assert isinstance(request, ua.PublishRequest)
        self.acknowledged += [int(each.SequenceNumber) for each in request.Parameters.SubscriptionAcknowledgements]
        if self.rest:
            return self.rest.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


async def heard_from(server: Server) -> tuple[Heard, PublishCounters]:
    """What arrives when a new subscription of this server is published, by one request at a time."""
    heard, counters = Heard(), PublishCounters()
    publisher = Publisher(server.send, heard, counters, 1)
    publisher.watch(1)
    await _while_publishing(publisher, until_=lambda: not server.rest)
    assert server.acknowledged == []  # nothing was committed
    return heard, counters


async def _while_publishing(publisher: Publisher, until_: Callable[[], bool]) -> None:
    task = asyncio.create_task(publisher.run())
    await until(lambda: until_() or task.done())
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_server_that_holds_three_publish_requests_is_mirrored() -> None:
    """It refuses the oldest when a fourth comes (OPC 10000-4, 5.14.5): one fewer from then on, and none of the others ends."""
    waiting: list[asyncio.Future[bytes]] = []
    asked = 0

    async def send(request: object, timeout: float) -> bytes:
        nonlocal asked
        asked += 1
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        waiting.append(answer)
        if len(waiting) > 3:
            waiting.pop(0).set_exception(ServiceFault("too many", BAD_TOO_MANY_PUBLISH_REQUESTS))
        return await answer

    heard = Heard()
    publisher = Publisher(send, heard, PublishCounters(), 4)
    publisher.watch(1)
    task = asyncio.create_task(publisher.run())
    for sequence in range(1, 6):
        await until(lambda: len(waiting) == 3 or task.done())
        assert not task.done()
        waiting.pop(0).set_result(publish_response(sequence))
        await until(lambda wanted=sequence: len(heard.sequences) == wanted)  # type: ignore[misc]
    await until(lambda: len(waiting) == 3)
    assert asked == 4 + 5  # each answer made room for one request, and no more were refused
    assert heard.sequences == [1, 2, 3, 4, 5]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_bad_timeout_is_answered_at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_AFTER_TIMEOUT_S", 60.0)
    asked = 0

    async def send(request: object, timeout: float) -> bytes:
        nonlocal asked
        asked += 1
        raise ServiceFault("timeout", BAD_TIMEOUT)

    publisher = Publisher(send, Heard(), PublishCounters(), 4)
    task = asyncio.create_task(publisher.run())
    await until(lambda: asked == 4)
    for _ in range(100):
        await asyncio.sleep(0)
    assert asked == 4
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_first_messages_of_a_subscription_are_asked_for_again() -> None:
    server = Server([3, 4], keeps=[1, 2])
    heard, counters = await heard_from(server)
    assert heard.sequences == [1, 2, 3, 4]
    assert heard.gaps == []
    assert (counters.republished, counters.sequence_gaps) == (2, 1)


async def test_first_messages_that_cannot_be_republished_are_a_gap() -> None:
    server = Server([3, 4])
    heard, counters = await heard_from(server)
    assert server.asked_again == [1, 2]
    assert heard.sequences == [3, 4]
    ((subscription, since, end),) = heard.gaps
    assert subscription == 1
    assert 0 < since <= end
    assert counters.sequence_gaps == 1


@pytest.mark.parametrize(
    "sequences",
    [
        pytest.param([1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6], id="the numbering starts again"),
        pytest.param([*range(1, 4), 1, *range(2, 9)], id="it starts again, and passes where it was"),
        pytest.param([2**32 - 2, 2**32 - 1, 1, 2], id="it wraps at 32 bits"),
        pytest.param([65534, 65535, 1, 2, 3, 4], id="it wraps at 16 bits"),
        pytest.param([1, 3, 2, 4], id="a message is late that could not be republished"),
    ],
)
async def test_every_message_that_comes_is_taken(sequences: list[int]) -> None:
    """What is repeated the store knows by its times and values; to drop by number may drop what never came."""
    heard, counters = await heard_from(Server(sequences))
    assert heard.sequences == sequences
    assert counters.notifications + counters.repeated == len(sequences)


async def test_a_late_message_leaves_the_gap_that_was_declared() -> None:
    heard, _ = await heard_from(Server([1, 3, 2, 4]))
    assert len(heard.gaps) == 1


async def test_the_quietest_subscription_says_how_far_all_is_known() -> None:
    """Values of a subscription that is silent may be lost since it spoke last, however much the others say."""
    publisher = Publisher(_never, Heard(), PublishCounters(), 1)
    publisher.watch(1)
    quiet = publisher.vouched()
    publisher.watch(2)
    assert quiet is not None
    for sequence in (1, 2, 3):
        await publisher._take(publish_response(sequence, subscription=2))
    assert publisher.vouched() == quiet


async def test_slow_subscribing_is_not_taken_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher(_never, Heard(), PublishCounters(), 4)
    publisher.watch(1)
    late = SimpleNamespace(monotonic=lambda: time.monotonic() + 12.0, time_ns=time.time_ns)
    monkeypatch.setattr(publishing, "time", late)
    assert publisher.silent_for() > 11.0
    silent: list[float] = []
    await _while_publishing(publisher, until_=lambda: silent.append(publisher.silent_for()) or len(silent) > 3)  # type: ignore[func-returns-value]
    assert silent[-1] < 5.0


async def _never(request: object, timeout: float) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("shown", [b"\x30\x03abc", b"\x30\x82\x00\x04abcd", b"\x00"])
async def test_garbage_for_a_certificate_is_named_and_not_kept(
    shown: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offers(url: str, timeout: float) -> Awaitable[list[object]]:
        return asyncio.sleep(0, [])

    monkeypatch.setattr(session, "offers", offers)
    monkeypatch.setattr(session, "choose", lambda *_: SimpleNamespace(ServerCertificate=shown))
    pki = Pki(tmp_path)
    with pytest.raises(CertificateUntrusted, match="no certificate"):
        await session._secure(None, Endpoint("here", "plc", "opc.tcp://plc:4840"), pki, 1.0)
    assert pki.list() == []  # and listing what we hold goes on working
