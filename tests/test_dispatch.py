"""The loop of a channel, with a channel that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from receiver.channels.base import Receipt, Refusal, rejected, transient
from receiver.core.content import Content, Rendered
from receiver.core.policy import Policy
from receiver.dispatch import Dispatcher, Outlet
from receiver.metrics import Metrics
from receiver.store import schema
from receiver.store.connect import Store, StoreUnavailable, Tx
from receiver.store.writer import Writer
from receiver.transitions.install import install
from tests.obedient import Obedient, dispatching, named
from tests.timeline import MINUTE, START, Timeline, channel, firing, policy


@pytest.fixture
async def timeline(tmp_path: Path) -> AsyncIterator[Timeline]:
    """A store in which one alert waits, due at once."""
    timeline = Timeline(tmp_path / "books.db", policy(channel(group_wait=0)))
    timeline.receive(firing())
    yield timeline
    timeline.store.close()


async def test_what_is_due_is_sent_and_settled(timeline: Timeline) -> None:
    obedient = Obedient(Receipt(250))
    async with dispatching(timeline, obedient) as metrics:
        assert [payload.endswith(b": HighErrorRate") for payload, _ in obedient.sent] == [True]
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}
        assert metrics.registry.get_sample_value(
            "alert_receiver_messages_sent_total", {"channel": "ops", "kind": "group"}
        )


async def test_bytes_that_may_have_been_taken_go_again_unchanged(timeline: Timeline) -> None:
    obedient = Obedient(transient("timeout", may_be_taken=True), Receipt(250))
    async with dispatching(timeline, obedient):
        first, second = (payload for payload, _ in obedient.sent)
        assert first == second
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_message_that_surely_failed_is_composed_anew(timeline: Timeline) -> None:
    obedient = Obedient(transient("connection_refused"), Receipt(250))
    async with dispatching(timeline, obedient) as metrics:
        first, second = (payload for payload, _ in obedient.sent)
        assert first != second
        failed = {"channel": "ops", "reason": "connection_refused"}
        assert metrics.registry.get_sample_value("alert_receiver_delivery_failures_total", failed) == 1


async def test_only_recipients_that_have_not_answered_are_asked_again(timeline: Timeline) -> None:
    obedient = Obedient(Receipt(250, (Refusal("b@x", 451, False), Refusal("c@x", 550, True))), Receipt(250))
    obedient.recipients = ("a@x", "b@x", "c@x")
    async with dispatching(timeline, obedient) as metrics:
        assert [recipients for _, recipients in obedient.sent] == [("a@x", "b@x", "c@x"), ("b@x",)]
        assert metrics.registry.get_sample_value("alert_receiver_recipients_refused_total", {"channel": "ops"}) == 1
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_mail_that_some_took_is_delivered_when_the_others_refuse_it_for_good(timeline: Timeline) -> None:
    obedient = Obedient(Receipt(250, (Refusal("b@x", 451, False),)), rejected("recipients_refused", 550))
    obedient.recipients = ("a@x", "b@x")
    async with dispatching(timeline, obedient) as metrics:
        assert metrics.registry.get_sample_value("alert_receiver_recipients_refused_total", {"channel": "ops"}) == 1
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}
        with timeline.store.read() as tx:
            rows = tx.rows(select(schema.recipient).order_by(schema.recipient.c.address))
        assert [(row["address"], row["state"], row["code"]) for row in rows] == [
            ("a@x", "accepted", 250),
            ("b@x", "refused", 550),
        ]


async def test_a_channel_that_breaks_ends_neither_its_loop_nor_the_process(timeline: Timeline) -> None:
    class Broken(Obedient):
        async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
            if not self.sent:
                self.sent.append((payload, tuple(recipients)))
                raise OverflowError("date value out of range")
            return await super().send(payload, recipients)

    broken = Broken(Receipt(250))
    async with dispatching(timeline, broken):
        first, second = (payload for payload, _ in broken.sent)
        assert first == second
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_rendering_that_breaks_swallows_no_alert_and_tells_no_label(
    timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(content: Content) -> Rendered:
        raise ZeroDivisionError(content.lines[0].labels["alertname"])

    obedient = Obedient(Receipt(250))
    async with dispatching(timeline, obedient, broken):
        [(payload, _)] = obedient.sent
        assert b"the usual one could not be made" in payload
        [said] = [vars(record) for record in caplog.records if record.message.startswith("rendering failed")]
        assert said["error"] == "ZeroDivisionError"
        assert "in broken" in said["stack"]
        assert "HighErrorRate" not in str(said)
        assert b"HighErrorRate" in payload
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_store_that_refuses_for_a_moment_makes_no_copy_of_what_was_taken(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.dispatch.STORE_RETRY_SECONDS", 0)
    refusals = 3
    run = Writer.run

    async def refusing(self: Writer, work: Callable[[Tx], object]) -> object:
        nonlocal refusals
        if obedient.sent and refusals:
            refusals -= 1
            raise StoreUnavailable("database or disk is full")
        return await run(self, work)

    monkeypatch.setattr(Writer, "run", refusing)
    obedient = Obedient(Receipt(250))
    async with dispatching(timeline, obedient):
        assert len(obedient.sent) == 1
        assert refusals == 0
        assert timeline.ledger() == {"accepted": 1, "delivered": 1}


async def test_news_wakes_a_resting_channel_only_where_it_could_go_out_sooner(tmp_path: Path) -> None:
    chosen: Policy = policy(channel(group_wait=0))
    store = Store(f"sqlite:///{tmp_path / 'books.db'}", lambda: START)
    with store.write() as tx:
        install(tx, chosen, START)
    writer, obedient = Writer(store), Obedient(Receipt(250))
    writer.start()
    timeline = Timeline.__new__(Timeline)
    timeline.store, timeline.policy, timeline.now = store, chosen, START
    dispatcher = Dispatcher(Outlet(obedient, named), writer, lambda: chosen, Metrics(), lambda: START)
    loop = asyncio.create_task(dispatcher.run())
    await writer.run(lambda _tx: None)
    accepted = await asyncio.to_thread(timeline.receive, firing())
    dispatcher.wake(accepted.due["ops"])
    await asyncio.wait_for(obedient.attempted.wait(), 20)
    dispatcher.stop()
    await asyncio.wait_for(loop, 20)
    writer.stop()
    store.close()


async def test_a_refused_message_goes_once_more_in_its_plainest_form(timeline: Timeline) -> None:
    obedient = Obedient(rejected("recipients_refused", 550), Receipt())
    async with dispatching(timeline, obedient, leap=10 * MINUTE):
        usual, plainest = (payload.decode() for payload, _ in obedient.sent)
    assert usual.endswith("HighErrorRate")
    assert "1 × firing HighErrorRate" in plainest
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}
