"""While nobody answers at all, the channel looks out for its provider."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from receiver.channels.base import DeliveryError, Receipt, Refusal, transient
from receiver.store.connect import Tx
from receiver.transitions.claim import Claimed
from tests.obedient import Clock, Obedient, dispatching, resting
from tests.timeline import HOUR, MINUTE, SECOND, Timeline, channel, firing, policy

UNREACHABLE = transient("connection_refused", unreachable=True)


@pytest.fixture
async def timeline(tmp_path: Path) -> AsyncIterator[Timeline]:
    """A store in which one alert waits, due at once."""
    timeline = Timeline(tmp_path / "books.db", policy(channel(group_wait=0)))
    timeline.receive(firing())
    yield timeline
    timeline.store.close()


def has_failed_for_long(timeline: Timeline) -> None:
    """The backoff has grown to minutes."""
    for _ in range(8):
        claimed = timeline.claim()
        assert isinstance(claimed, Claimed)
        timeline.settle(timeline.fix(claimed), UNREACHABLE.failure)
        timeline.now += 5 * MINUTE


def looks_every(milliseconds: int, rests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """How often an unreachable provider is looked at, and the longest rest between two claims."""
    monkeypatch.setattr("receiver.dispatch.SHORTEST_LOOK", milliseconds)
    monkeypatch.setattr("receiver.dispatch.LONGEST_LOOK", milliseconds)
    monkeypatch.setattr("receiver.dispatch.LONGEST_REST", rests)


async def test_an_unreachable_provider_that_answers_again_is_tried_at_once(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Obedient):
        looks = 0

        async def check(self) -> None:
            self.looks += 1
            if self.looks < 3:
                raise UNREACHABLE

    has_failed_for_long(timeline)
    monkeypatch.setattr("receiver.dispatch.SHORTEST_LOOK", 5)
    away = Away(UNREACHABLE, Receipt(250))
    began = time.monotonic()
    async with dispatching(timeline, away, leap=100, begin=timeline.now):
        assert away.looks == 3
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}
    assert time.monotonic() - began < 20, "the backoff alone would be two minutes"


async def test_a_failure_that_is_not_about_reaching_anybody_is_not_looked_into(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy(Obedient):
        async def check(self) -> None:
            raise AssertionError("nobody asked")

    monkeypatch.setattr("receiver.dispatch.SHORTEST_LOOK", 1)
    busy = Busy(transient("rate_limited", 429), Receipt(250))
    async with dispatching(timeline, busy):
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_provider_that_is_back_is_asked_once_although_nothing_is_left_to_send(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Back(Obedient):
        looks = 0

        async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
            await asyncio.to_thread(timeline.mute, 'alertname="HighErrorRate"', lasting=24 * HOUR)
            return await super().send(payload, recipients)

        async def check(self) -> None:
            self.looks += 1

    caplog.set_level("INFO")
    looks_every(1, 20, monkeypatch)
    back = Back(UNREACHABLE)
    async with resting(timeline, back) as (_, writer, _):
        await asyncio.wait_for(back.attempted.wait(), 10)
        await writer.until_rested(10)
    assert back.looks == 1
    assert [record.message for record in caplog.records].count("the provider answers again") == 1


async def test_a_provider_is_not_looked_out_for_on_behalf_of_recipients_who_said_later(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Obedient):
        recipients = ("a@x", "b@x")
        looks = 0

        async def check(self) -> None:
            self.looks += 1

    looks_every(1, 20, monkeypatch)
    away = Away(Receipt(250, (Refusal("b@x", 450, False),)), UNREACHABLE)
    async with resting(timeline, away, Clock(leap=5, begin=timeline.now)) as (_, writer, _):
        await asyncio.wait_for(away.attempted.wait(), 10)
        await writer.until_rested(5)
    assert [recipients for _, recipients in away.sent] == [("a@x", "b@x"), ("b@x",)]
    assert away.looks == 0


async def test_a_look_takes_place_although_each_rest_before_it_is_shorter(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Back(Obedient):
        looks = 0

        async def check(self) -> None:
            self.looks += 1

    has_failed_for_long(timeline)
    looks_every(60, 20, monkeypatch)
    back = Back(UNREACHABLE, Receipt(250))
    async with dispatching(timeline, back, leap=100, begin=timeline.now):
        assert back.looks == 1
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_where_looks_alone_get_through_they_become_rarer_all_the_same(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deceptive(Obedient):
        def __init__(self, *answers: DeliveryError) -> None:
            super().__init__(*answers)
            self.failed: list[float] = []
            self.looked: list[float] = []

        async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
            self.failed.append(time.monotonic())
            return await super().send(payload, recipients)

        async def check(self) -> None:
            self.looked.append(time.monotonic())

    has_failed_for_long(timeline)
    looks_every(1, 20, monkeypatch)
    monkeypatch.setattr("receiver.dispatch.LONGEST_LOOK", 30_000)
    monkeypatch.setattr("receiver.dispatch.LOOKS", 1)
    deceptive = Deceptive(*[UNREACHABLE] * 4)
    async with resting(timeline, deceptive):
        await asyncio.wait_for(deceptive.attempted.wait(), 10)
    first, *others = deceptive.failed
    for failed, looked in zip(others, deceptive.looked[1:], strict=False):
        assert looked - failed > (failed - first) / 2
    assert len(deceptive.looked) == 3


async def test_news_that_comes_during_a_look_neither_waits_for_it_nor_ends_it(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Obedient):
        looks = 0

        def __init__(self, *answers: Receipt | DeliveryError) -> None:
            super().__init__(*answers)
            self.asked, self.answers_now = asyncio.Event(), asyncio.Event()

        async def check(self) -> None:
            self.looks += 1
            self.asked.set()
            await self.answers_now.wait()

    has_failed_for_long(timeline)
    looks_every(1, 30_000, monkeypatch)
    slow = Slow(UNREACHABLE, Receipt(250))
    async with resting(timeline, slow) as (dispatcher, writer, _):
        await asyncio.wait_for(slow.asked.wait(), 10)
        for _ in range(3):
            dispatcher.look_again()
            await writer.until_rested(1)
        slow.answers_now.set()
        await asyncio.wait_for(slow.attempted.wait(), 10)
    assert slow.looks == 1


async def test_a_clock_that_steps_back_during_an_outage_keeps_no_claim_waiting(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Obedient):
        async def check(self) -> None:
            clock.now = timeline.now - HOUR
            raise UNREACHABLE

    has_failed_for_long(timeline)
    looks_every(10, 50, monkeypatch)
    clock, away = Clock(leap=0, begin=timeline.now), Away(UNREACHABLE)
    async with resting(timeline, away, clock) as (_, writer, _):
        await asyncio.wait_for(away.attempted.wait(), 10)
        await writer.until_rested(5)
    assert clock.now < timeline.now


async def test_a_look_out_that_breaks_does_not_do_so_in_silence(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_tx: Tx, name: str, _now: int) -> None:
        raise LookupError(name)

    has_failed_for_long(timeline)
    looks_every(1, 20, monkeypatch)
    monkeypatch.setattr("receiver.dispatch.hasten", broken)
    async with resting(timeline, Obedient(UNREACHABLE, Receipt(250)), Clock(leap=10 * SECOND, begin=timeline.now)) as (
        _,
        _,
        loop,
    ):
        with pytest.raises(LookupError, match="ops"):
            await asyncio.wait_for(loop, 20)


async def test_a_look_ends_before_the_next_attempt_begins_and_before_the_channel_closes(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Obedient):
        looking = False

        def __init__(self, *answers: DeliveryError) -> None:
            super().__init__(*answers)
            self.asked = asyncio.Event()

        async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
            assert not self.looking
            return await super().send(payload, recipients)

        async def check(self) -> None:
            self.looking = True
            self.asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.looking = False

        async def close(self) -> None:
            assert not self.looking

    looks_every(1, 20, monkeypatch)
    clock, silent = Clock(leap=0, begin=timeline.now), Silent(UNREACHABLE, UNREACHABLE)
    async with resting(timeline, silent, clock) as (dispatcher, _, loop), asyncio.timeout(10):
        await silent.asked.wait()
        silent.asked.clear()
        clock.now += HOUR
        dispatcher.look_again()
        await silent.asked.wait()
        dispatcher.stop()
        await loop
    assert len(silent.sent) == 2
