"""The PLC's handshake, rule by rule of docs/handshake.md."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from fake_plc.handshake import HOLD_SECONDS, PREPARE_SECONDS, Limits, RecipeHandshake, Result, Scalar, State

NEW: dict[str, Scalar] = {"Speed": 20.0, "Name": "B"}


def block(*, mailbox: bool = False) -> RecipeHandshake:
    return RecipeHandshake(
        limits={"Speed": Limits(1, 80), "Name": Limits()},
        active={"Speed": 30.0, "Name": "A"},
        tx_per_operation=mailbox,
        active_digest="old",
        active_tx_id=3,
    )


class Driver:
    """Speaks either profile: numbers each operation as its fencing rule asks."""

    def __init__(self, *, mailbox: bool) -> None:
        self.mailbox = mailbox
        self.plc = block(mailbox=mailbox)
        self.now = 100.0
        self.tx = 10

    def _next(self) -> int:
        if self.mailbox:
            self.tx += 1
        return self.tx

    def prepare(self, digest: str = "new") -> Result:
        self.tx += 1
        return self.plc.prepare(self.tx, digest, now=self.now)

    def stage(self, **values: Scalar) -> None:
        for name, value in (values or NEW).items():
            assert self.plc.stage(name, value)

    def commit(self, seconds: int = 30, *, ready: bool = True, digest: str = "new") -> Result:
        return self.plc.commit(self._next(), seconds, now=self.now, ready=ready, digest=digest if self.mailbox else None)

    def confirm(self, digest: str = "new") -> Result:
        return self.plc.confirm(self._next(), digest=digest if self.mailbox else None)

    def cancel(self) -> Result:
        return self.plc.cancel(self._next(), now=self.now)

    def pass_time(self, seconds: float, *, ready: bool = True) -> None:
        self.now += seconds
        self.plc.scan(now=self.now, ready=ready)


@pytest.fixture(params=[False, True], ids=["method", "mailbox"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(mailbox=request.param)


def staged(driver: Driver) -> None:
    assert driver.prepare() is Result.OK
    driver.stage()


def active(driver: Driver) -> None:
    staged(driver)
    assert driver.commit() is Result.OK


def committing(driver: Driver) -> None:
    driver.plc.commit_seconds = 5
    active(driver)


def reverting(driver: Driver) -> None:
    active(driver)
    driver.pass_time(30, ready=False)


def faulted(driver: Driver) -> None:
    staged(driver)
    driver.plc.fail_commit = "broken"
    assert driver.commit() is Result.INTERNAL_ERROR


STATES: dict[State, Callable[[Driver], None]] = {
    State.PREPARED: staged,
    State.COMMITTING: committing,
    State.ACTIVE_UNCONFIRMED: active,
    State.REVERTING: reverting,
    State.FAULTED: faulted,
}


@pytest.mark.parametrize("state", STATES)
def test_the_drives_reach_the_states_they_are_named_for(driver: Driver, state: State) -> None:
    STATES[state](driver)
    assert driver.plc.state is state


def test_a_whole_change(driver: Driver) -> None:
    plc = driver.plc
    active(driver)
    assert plc.state is State.ACTIVE_UNCONFIRMED
    assert plc.active == NEW
    assert (plc.active_digest, plc.prev_digest, plc.staged_digest) == ("new", "old", "")
    assert plc.active_tx_id == driver.tx
    commit_tx = driver.tx
    assert driver.confirm() is Result.OK
    assert (plc.state, plc.active_tx_id, plc.change_counter) == (State.IDLE, commit_tx, 0)
    driver.pass_time(10_000)
    assert plc.active == NEW


def test_p1_prepare_clears_staging(driver: Driver) -> None:
    staged(driver)
    assert driver.prepare("newer") is Result.OK  # P2
    assert driver.plc.staging == {}
    assert driver.plc.staged_digest == "newer"
    assert driver.commit(digest="newer") is Result.STAGING_INCOMPLETE


@pytest.mark.parametrize("state", [State.COMMITTING, State.ACTIVE_UNCONFIRMED, State.REVERTING, State.FAULTED])
def test_p3_prepare_is_refused_while_another_change_is_open(driver: Driver, state: State) -> None:
    STATES[state](driver)
    assert driver.prepare() is Result.WRONG_STATE
    assert driver.plc.state is state


@pytest.mark.parametrize("state", [State.IDLE, State.COMMITTING, State.ACTIVE_UNCONFIRMED, State.REVERTING, State.FAULTED])
def test_s2_staging_is_closed_outside_prepared(driver: Driver, state: State) -> None:
    if state is not State.IDLE:
        STATES[state](driver)
    assert not driver.plc.stage("Speed", 5.0)


def test_k1_commit_after_the_transaction_ran_out(driver: Driver) -> None:
    staged(driver)
    driver.pass_time(PREPARE_SECONDS)  # T1
    assert (driver.plc.state, driver.plc.reason, driver.plc.staged_digest) == (State.IDLE, Result.EXPIRED, "")
    assert driver.commit() is Result.EXPIRED


@pytest.mark.parametrize("state", [State.COMMITTING, State.ACTIVE_UNCONFIRMED, State.REVERTING, State.FAULTED])
def test_k2_commit_needs_prepared(driver: Driver, state: State) -> None:
    STATES[state](driver)
    before = dict(driver.plc.active)
    assert driver.commit() is Result.WRONG_STATE
    assert (driver.plc.state, driver.plc.active) == (state, before)


def test_k3_commit_of_another_digest() -> None:
    driver = Driver(mailbox=True)
    staged(driver)
    assert driver.commit(digest="else") is Result.DIGEST_MISMATCH
    assert driver.plc.state is State.PREPARED
    assert driver.commit() is Result.OK


def test_k4_commit_after_a_local_edit(driver: Driver) -> None:
    staged(driver)
    driver.plc.local_edit("Speed", 31.0)
    assert driver.commit() is Result.LOCAL_EDIT
    assert driver.plc.active["Speed"] == 31.0


def test_k5_commit_before_everything_is_staged(driver: Driver) -> None:
    driver.prepare()
    driver.stage(Speed=20.0)
    assert driver.commit() is Result.STAGING_INCOMPLETE
    driver.stage(Name="B")
    assert driver.commit() is Result.OK


@pytest.mark.parametrize("speed", [0.5, 81.0, math.nan, math.inf])
def test_k6_commit_of_a_value_out_of_range(driver: Driver, speed: float) -> None:
    driver.prepare()
    driver.stage(Speed=speed, Name="B")
    assert driver.commit() is Result.OUT_OF_RANGE
    assert driver.plc.state is State.PREPARED


@pytest.mark.parametrize("seconds", [0, 3601])
def test_k6_confirm_seconds_out_of_range(driver: Driver, seconds: int) -> None:
    staged(driver)
    assert driver.commit(seconds) is Result.OUT_OF_RANGE


def test_k7_commit_needs_a_safe_boundary(driver: Driver) -> None:
    staged(driver)
    assert driver.commit(ready=False) is Result.NOT_READY
    assert driver.plc.state is State.PREPARED
    assert driver.commit() is Result.OK


def test_k8_a_failed_commit_restores(driver: Driver) -> None:
    staged(driver)
    driver.plc.fail_commit = "restored"
    assert driver.commit() is Result.INTERNAL_ERROR
    assert (driver.plc.state, driver.plc.active, driver.plc.active_digest) == (State.IDLE, {"Speed": 30.0, "Name": "A"}, "old")


def test_k8_a_broken_commit_faults_and_cancel_leaves_it(driver: Driver) -> None:
    faulted(driver)
    assert driver.plc.active_digest == ""
    assert driver.plc.active == {"Speed": 20.0, "Name": "A"}
    assert driver.cancel() is Result.OK  # C5
    assert (driver.plc.state, driver.plc.active_digest) == (State.IDLE, "")


def test_k9_a_slow_commit_changes_nothing_until_it_is_done(driver: Driver) -> None:
    committing(driver)
    acknowledged = driver.plc.ack_tx_id
    driver.pass_time(4)
    assert (driver.plc.state, driver.plc.active_digest) == (State.COMMITTING, "old")
    assert driver.plc.ack_tx_id == acknowledged
    driver.pass_time(1)
    assert (driver.plc.state, driver.plc.active) == (State.ACTIVE_UNCONFIRMED, NEW)
    assert (driver.plc.ack_tx_id, driver.plc.reason) == (driver.tx, Result.OK)


def test_n1_confirm_of_another_digest() -> None:
    driver = Driver(mailbox=True)
    active(driver)
    assert driver.confirm("else") is Result.DIGEST_MISMATCH
    assert driver.confirm() is Result.OK


def test_n2_confirm_after_a_local_edit(driver: Driver) -> None:
    active(driver)
    driver.plc.local_edit("Speed", 22.0)
    assert driver.confirm() is Result.LOCAL_EDIT
    assert driver.plc.state is State.ACTIVE_UNCONFIRMED


def test_n4_n5_confirm_too_late(driver: Driver) -> None:
    reverting(driver)
    assert driver.confirm() is Result.EXPIRED
    driver.pass_time(1)
    assert driver.plc.state is State.IDLE
    assert driver.confirm() is Result.EXPIRED


@pytest.mark.parametrize("state", [State.PREPARED, State.COMMITTING, State.FAULTED])
def test_n6_confirm_needs_an_active_change(driver: Driver, state: State) -> None:
    STATES[state](driver)
    assert driver.confirm() is Result.WRONG_STATE


def test_c1_cancel_clears_staging(driver: Driver) -> None:
    staged(driver)
    assert driver.cancel() is Result.OK
    assert (driver.plc.state, driver.plc.staging, driver.plc.staged_digest) == (State.IDLE, {}, "")
    assert driver.plc.active_digest == "old"


def test_c2_cancel_of_a_waiting_commit(driver: Driver) -> None:
    committing(driver)
    assert driver.cancel() is Result.OK
    driver.pass_time(100)
    assert (driver.plc.state, driver.plc.active_digest) == (State.IDLE, "old")


def test_c3_cancel_of_an_active_change_reverts_at_the_boundary(driver: Driver) -> None:
    active(driver)
    assert driver.cancel() is Result.OK
    driver.pass_time(1, ready=False)
    assert (driver.plc.state, driver.plc.active) == (State.REVERTING, NEW)
    driver.pass_time(1)
    assert (driver.plc.state, driver.plc.active_digest, driver.plc.active_tx_id) == (State.IDLE, "old", 3)


def test_c4_cancel_again_is_harmless(driver: Driver) -> None:
    staged(driver)
    assert driver.cancel() is Result.OK
    assert driver.cancel() is Result.OK


def test_t2_t3_not_confirmed_in_time(driver: Driver) -> None:
    active(driver)
    driver.pass_time(29)
    assert driver.plc.state is State.ACTIVE_UNCONFIRMED
    driver.pass_time(1, ready=False)
    assert (driver.plc.state, driver.plc.reason, driver.plc.active) == (State.REVERTING, Result.EXPIRED, NEW)
    driver.pass_time(500)
    assert (driver.plc.state, driver.plc.active_digest, driver.plc.prev_digest) == (State.IDLE, "old", "")
    assert driver.plc.active == {"Speed": 30.0, "Name": "A"}


def test_t4_a_prepared_change_holds_the_next_batch_but_not_for_ever(driver: Driver) -> None:
    assert not driver.plc.holds_start(driver.now)
    staged(driver)
    assert driver.plc.holds_start(driver.now + HOLD_SECONDS - 1)
    assert not driver.plc.holds_start(driver.now + HOLD_SECONDS)


def test_l1_a_local_edit_keeps_the_digest(driver: Driver) -> None:
    driver.plc.local_edit("Speed", 31.0)
    assert (driver.plc.change_counter, driver.plc.active_digest) == (1, "old")
    with pytest.raises(KeyError):
        driver.plc.local_edit("Absent", 1.0)


def test_l2_a_reversion_undoes_local_edits(driver: Driver) -> None:
    active(driver)
    driver.plc.local_edit("Speed", 44.0)
    driver.pass_time(30)
    assert driver.plc.active["Speed"] == 30.0


@pytest.mark.parametrize("state", [State.PREPARED, State.COMMITTING])
def test_r2_a_restart_loses_staging(driver: Driver, state: State) -> None:
    STATES[state](driver)
    last = driver.plc.last_tx_id
    driver.plc.restart(now=driver.now)
    plc = driver.plc
    assert (plc.boot_id, plc.state, plc.staging, plc.staged_digest) == (2, State.IDLE, {}, "")
    assert (plc.active_digest, plc.last_tx_id) == ("old", last)  # R4


def test_r3_a_restart_reverts_what_nobody_confirmed(driver: Driver) -> None:
    active(driver)
    driver.plc.restart(now=driver.now)
    assert driver.plc.state is State.REVERTING
    driver.pass_time(1)
    assert driver.plc.active_digest == "old"


def test_f2_method_fencing() -> None:
    plc = block()
    assert plc.commit(1, 30, now=0, ready=True) is Result.FENCED_TX_ID
    assert plc.prepare(5, "new", now=0) is Result.OK
    assert plc.prepare(5, "new", now=0) is Result.FENCED_TX_ID
    assert plc.commit(6, 30, now=0, ready=True) is Result.FENCED_TX_ID
    assert plc.cancel(4, now=0) is Result.FENCED_TX_ID
    assert plc.state is State.PREPARED
    assert plc.prepare(9, "newer", now=0) is Result.OK
    assert plc.cancel(5, now=0) is Result.FENCED_TX_ID  # the older transaction's writer is out


def test_f3_mailbox_fencing() -> None:
    plc = block(mailbox=True)
    assert plc.prepare(5, "new", now=0) is Result.OK
    assert plc.commit(5, 30, now=0, ready=True, digest="new") is Result.FENCED_TX_ID
    assert plc.ack_tx_id == 5
    assert plc.cancel(6, now=0) is Result.OK
    assert plc.prepare(6, "new", now=0) is Result.FENCED_TX_ID


def test_f5_a_refused_tx_id_is_seen() -> None:
    plc = block(mailbox=True)
    assert plc.refuse(7, Result.WRONG_STATE) is Result.WRONG_STATE
    assert plc.prepare(7, "new", now=0) is Result.FENCED_TX_ID
