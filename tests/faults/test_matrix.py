"""Every way in which mail and Slack say no: what is counted, logged and kept, and what arrives in the end."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from receiver.channels import email
from receiver.channels.base import DeliveryError
from tests.faults.providers import LONG_PATIENCE, PASSWORD, PATIENCE, Certificates, Mail, Names, Provider, Slack
from tests.faults.rows import DEAD_EVENT, ROWS, SENDING, Row
from tests.faults.stage import Stage, logging_state
from tests.timeline import MINUTE


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    restore = logging_state()
    yield
    restore()


@pytest.fixture
async def provider(row: Row, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    names, patience = Names(), PATIENCE if row.takes_patience else LONG_PATIENCE
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    monkeypatch.setattr(socket, "getfqdn", lambda: "receiver.example.com")
    monkeypatch.setattr(email, "FINAL_ANSWER_PATIENCE", patience)
    monkeypatch.setattr(email, "OFFER_PATIENCE", 2 * patience)
    kinds: dict[str, type[Mail | Slack]] = {"SMTP": Mail, "Slack": Slack}
    made: Provider = kinds[row.provider](names, certificates, patience)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def stage(row: Row, provider: Provider, tmp_path: Path) -> Stage:
    return Stage(tmp_path / "books.db", provider, {"SMTP": "email", "Slack": "slack"}[row.provider])


def is_as_promised(stage: Stage, row: Row) -> None:
    """After the first attempt."""
    failed = int(row.reason is not None)
    assert stage.counted("alert_receiver_delivery_failures_total") == failed
    assert stage.counted("alert_receiver_delivery_failures_total", reason=str(row.reason)) == failed
    assert stage.counted("alert_receiver_recipients_refused_total") == row.refused_for_good
    assert stage.events() == row.events
    if row.kind is not None:
        [facts] = stage.facts()
        assert (facts["class"], facts["reason"]) == (row.kind, row.reason)
        assert facts["may_be_taken"] == (row.pending == SENDING)
        assert row.retry_in in (None, facts["retry_in_s"])
    pending = {state: n for (_, state), n in stage.timeline.books().pending.items()}
    assert pending == ({row.pending: 1} if row.pending else {})


async def a_check_finds_what_it_can(provider: Provider, row: Row) -> None:
    try:
        await provider.channel.check()
    except DeliveryError as error:
        found = error.failure
        assert (found.failure_class, found.reason, found.unreachable) == (row.kind, row.reason, row.unreachable)
        assert row.found_by_a_check
    else:
        assert not row.found_by_a_check


def told_nothing_it_should_not(stage: Stage, row: Row) -> None:
    log = stage.log.getvalue()
    assert PASSWORD not in log
    assert "/services/" not in log
    assert row.provider != "SMTP" or len(row.answer) < 8 or row.answer[4:] not in log


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_fault(provider: Provider, stage: Stage, row: Row) -> None:
    await provider.fail(row)
    await stage.arrives("First")
    async with stage.running():
        await stage.attempts(1)
        is_as_promised(stage, row)
        await a_check_finds_what_it_can(provider, row)
        await provider.recover()
        if row.dead:
            await stage.arrives("Second")
            await stage.attempts(2)
            await provider.fail(row)
        await stage.passes(10 * MINUTE)
        await stage.nothing_pending()
    arrived = provider.arrived(row)
    assert {name: len(copies) for name, copies in arrived.items()} == row.arrivals(provider.recipients)
    assert all(len(set(copies)) == 1 for copies in arrived.values())
    assert stage.timeline.ledger() == row.ledger
    assert (DEAD_EVENT in stage.events()) == row.dead
    told_nothing_it_should_not(stage, row)
