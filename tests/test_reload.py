"""A reload is taken on whole or not at all, and no message is lost or sent twice over it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from receiver.app import Tasks
from receiver.channels.base import DeliveryError, Receipt, misconfigured
from receiver.config import loading
from receiver.config.credentials import fingerprint
from receiver.config.destinations import Destination
from receiver.config.resolve import destinations, resolve
from receiver.core.alerts import Notification
from receiver.core.content import Content, Rendered
from receiver.core.policy import Policy
from receiver.dispatch import Dispatcher, Outlet
from receiver.metrics import Metrics
from receiver.reload import NOTHING_TO_RELOAD, Dispatchers, PolicyInForce, Reloader, SecretFiles
from receiver.store import channels
from receiver.store.connect import Store, StoreUnavailable, Tx
from receiver.store.reader import books
from receiver.store.writer import Writer, WriterWatch
from receiver.transitions.accept import Accepted, accept
from receiver.transitions.install import install
from tests.timeline import START, firing

PATIENCE = 20
OPS = "{name: ops, type: console, group_wait: 0}"
OTHER = "{name: other, type: console, group_wait: 0}"


class Held:
    """A channel that has an answer only when ``going_on`` is set."""

    recipients: tuple[str, ...] = ()
    reasons = ("internal_error",)

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: list[str] = []
        self.failure: DeliveryError | None = None
        self.attempted = asyncio.Event()
        self.going_on = asyncio.Event()
        self.closed = asyncio.Event()

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        return rendered.text.encode()

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        self.sent.append(payload.decode())
        self.attempted.set()
        await self.going_on.wait()
        if self.failure is not None:
            raise self.failure
        return Receipt()

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        self.closed.set()


class House:
    """A writer, dispatchers and a reloader over a configuration file, its channels played by ``Held``."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "alert-receiver.yml"
        self.write(OPS)
        loaded = self.load()
        self.channels: list[Held] = []
        self.policy = PolicyInForce(resolve(loaded.config))
        self.metrics = Metrics()
        self.store = Store(f"sqlite:///{folder / 'books.db'}", self.clock)
        watch = WriterWatch(lambda _seconds: self.policy.committed(), lambda _reason: self.policy.failed())
        self.writer = Writer(self.store, watch)
        self.tasks = Tasks()
        self.dispatchers = Dispatchers(self.dispatcher, self.tasks.launch)
        self.reloader = self.reloading(self.load)
        self.wanted = destinations(loaded.config)

    def clock(self) -> int:
        return START

    def write(self, *channels: str) -> None:
        self.file.write_text("channels:\n" + "".join(f"- {channel}\n" for channel in channels))

    def load(self) -> loading.Loaded:
        return loading.load(self.file, {})

    def reloading(self, load: Callable[[], loading.Loaded] | None) -> Reloader:
        url = "sqlite:///alert-receiver.db"
        return Reloader(
            load, {}, url, self.policy, self.dispatchers, self.writer, self.metrics, self.clock, lambda _config: None
        )

    def dispatcher(self, destination: Destination) -> Dispatcher:
        held = Held(destination.name)
        self.channels.append(held)
        return Dispatcher(Outlet(held, named), self.writer, self.policy, self.metrics, self.clock)

    async def receive(self, alertname: str) -> None:
        def work(tx: Tx) -> Accepted:
            [accepted] = accept(tx, [Notification((firing(alertname),), "http://am-1", 0)], self.policy(), self.clock())
            return accepted

        accepted = await self.writer.run(work)
        self.dispatchers.wake(accepted.due)

    def delivered(self, channel: str) -> int:
        with self.store.read() as tx:
            return books(tx).ledger.get((channel, "outcome", "delivered"), 0)

    def pending(self, channel: str) -> dict[str, int]:
        with self.store.read() as tx:
            return {state: n for (name, state), n in books(tx).pending.items() if name == channel and n}


def named(content: Content) -> Rendered:
    return Rendered("subject", ", ".join(line.labels["alertname"] for line in content.lines))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    house.writer.start()
    await house.writer.run(lambda tx: install(tx, house.policy(), START))
    house.dispatchers.ensure(house.wanted)
    yield house
    for channel in house.channels:
        channel.going_on.set()
    await house.dispatchers.end(PATIENCE)
    assert not house.tasks.ended.done()
    house.writer.stop()
    house.store.close()


async def soon(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), PATIENCE)


async def test_a_message_under_way_is_told_once_though_its_channel_goes_and_comes_back(house: House) -> None:
    await house.receive("Disk")
    [first] = house.channels
    await soon(first.attempted)
    house.write(OTHER)
    assert await house.reloader.reload("the test") == ()
    house.write(OPS)
    assert await house.reloader.reload("the test") == ()
    again = house.channels[-1]
    assert (again.name, first.closed.is_set(), again.sent) == ("ops", False, [])
    first.going_on.set()
    await soon(first.closed)
    assert house.delivered("ops") == 1
    await house.receive("Memory")
    await soon(again.attempted)
    assert (first.sent, again.sent) == (["Disk"], ["Memory"])


async def test_an_attempt_of_a_removed_channel_ends_in_peace_and_in_the_books(house: House) -> None:
    await house.receive("Disk")
    [first] = house.channels
    await soon(first.attempted)
    house.write(OTHER)
    assert await house.reloader.reload("the test") == ()
    await house.receive("Memory")
    first.going_on.set()
    await soon(first.closed)
    assert (house.delivered("ops"), house.pending("ops")) == (1, {})
    other = house.channels[-1]
    await soon(other.attempted)
    assert (other.name, other.sent, first.sent) == ("other", ["Memory"], ["Disk"])


async def test_a_channel_whose_destination_is_unchanged_keeps_its_loop_and_heeds_the_new_policy(house: House) -> None:
    house.write("{name: ops, type: console, group_wait: 1h}")
    assert await house.reloader.reload("the test") == ()
    await house.receive("Disk")
    [only] = house.channels
    house.write(OPS, OTHER)
    assert await house.reloader.reload("the test") == ()
    await soon(only.attempted)
    assert ([channel.name for channel in house.channels], only.sent) == (["ops", "other"], ["Disk"])


async def test_a_channel_that_waits_for_a_person_is_tried_at_once_after_a_reload(house: House) -> None:
    [only] = house.channels
    only.failure = misconfigured("credentials_refused")
    only.going_on.set()
    await house.receive("Disk")
    await soon(only.attempted)
    async with asyncio.timeout(PATIENCE):
        while not await house.writer.run(lambda tx: channels.load(tx)["ops"].retry_at):
            pass
    only.attempted.clear()
    only.failure = None
    assert await house.reloader.reload("the test") == ()
    await soon(only.attempted)
    assert only.sent == ["Disk", "Disk"]


async def test_a_claim_that_waited_for_the_store_past_the_removal_of_its_channel_takes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = house.channels
    run, refused = house.writer.run, asyncio.Event()

    async def refuse(_work: Callable[[Tx], object]) -> None:
        refused.set()
        raise StoreUnavailable("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("receiver.dispatch.STORE_RETRY_SECONDS", 0)
        await house.receive("Disk")
        patch.setattr(house.writer, "run", refuse)
        house.dispatchers.look_again()
        await soon(refused)
        house.write(OTHER)
        assert await house.reloader.reload("the test") == ()
    assert house.writer.run == run
    await soon(first.closed)
    assert first.sent == []
    assert sum(house.pending("ops").values()) == 1


async def test_a_store_that_refuses_leaves_everything_as_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = house.policy()

    def refuse(tx: Tx, policy: Policy, now: int) -> None:
        raise StoreUnavailable("database or disk is full")

    house.write(OTHER)
    with monkeypatch.context() as patch:
        patch.setattr("receiver.reload.install", refuse)
        problems = await house.reloader.reload("the test")
    assert problems == ["the store can't take it on: database or disk is full"]
    assert house.policy() is before
    assert house.metrics.registry.get_sample_value("alert_receiver_config_last_reload_successful") == 0
    await house.receive("Disk")
    again = house.channels[-1]
    await soon(again.attempted)
    assert (again.name, again.sent) == ("ops", ["Disk"])


async def test_a_commit_that_fails_after_the_installation_puts_no_policy_into_force(house: House) -> None:
    before = house.policy()
    other = resolve(loading.embedded().config)

    def installed_in_vain(tx: Tx) -> None:
        house.policy.install(tx, other, START)
        raise StoreUnavailable("no space left")

    with pytest.raises(StoreUnavailable):
        await house.writer.run(installed_in_vain)
    await house.writer.run(lambda _tx: None)
    assert house.policy() is before


async def test_what_shares_the_writer_with_a_reload_meets_the_policy_that_its_rows_were_made_for(house: House) -> None:
    seen: list[tuple[str, ...]] = []

    def look(_tx: Tx) -> None:
        seen.append(tuple(channel.name for channel in house.policy().channels))

    house.write(OTHER)
    earlier = [asyncio.create_task(house.writer.run(look)) for _ in range(3)]
    await house.reloader.reload("the test")
    await asyncio.gather(*earlier, house.writer.run(look))
    assert seen == [("ops",), ("ops",), ("ops",), ("other",)]


async def test_a_defect_in_a_reload_neither_ends_the_process_nor_shows_its_text(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> loading.Loaded:
        raise ZeroDivisionError("the-secret")

    assert await house.reloading(broken).reload("the test") == ["internal error, see the log"]
    assert "the reload broke" in caplog.text


async def test_without_a_file_there_is_nothing_to_reload_and_nothing_has_failed(house: House) -> None:
    house.metrics.config_loaded.set(1)
    assert await house.reloading(None).reload("the test") == (NOTHING_TO_RELOAD,)
    assert house.metrics.registry.get_sample_value("alert_receiver_config_last_reload_successful") == 1


async def test_every_hangup_is_a_reload(house: House) -> None:
    hangup = asyncio.Event()
    attending = house.tasks.launch(house.reloader.attend(hangup), "reload")
    hangup.set()
    house.write(OPS, OTHER)
    async with asyncio.timeout(PATIENCE):
        while len(house.channels) < 2:
            await house.writer.run(lambda _tx: None)
    assert not hangup.is_set()
    await house.tasks.cancel(attending)


def test_a_secrets_file_has_changed_once_it_has_stopped_changing(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    files = SecretFiles({file: fingerprint(file)})
    assert [files.changed(), files.changed()] == [False, False]
    file.write_text("")
    assert files.changed() is False
    file.write_text("half-")
    assert files.changed() is False
    file.write_text("half-written")
    assert [files.changed(), files.changed()] == [False, True]


def test_a_change_that_is_undone_is_none(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    files = SecretFiles({file: fingerprint(file)})
    file.unlink()
    assert files.changed() is False
    file.write_text("old")
    assert [files.changed(), files.changed()] == [False, False]


def test_a_secret_that_is_swapped_as_kubernetes_does_is_seen_though_its_time_and_size_are_the_same(
    tmp_path: Path,
) -> None:
    for folder, text in (("..1", "old"), ("..2", "new")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "password").write_text(text)
        os.utime(tmp_path / folder / "password", (1, 1))
    (tmp_path / "..data").symlink_to("..1")
    file = tmp_path / "password"
    file.symlink_to("..data/password")
    files = SecretFiles({file: fingerprint(file)})
    (tmp_path / "..next").symlink_to("..2")
    (tmp_path / "..next").replace(tmp_path / "..data")
    assert [files.changed(), files.changed()] == [False, True]


async def test_a_changed_secret_is_tried_once_and_again_only_when_the_store_was_in_the_way(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "password"
    password.write_text("old")
    house.file.write_text(f"smtp: {{host: localhost, username: u, password_file: password}}\nchannels: [{OPS}]\n")
    assert await house.reloader.reload("the test") == ()
    asked: list[str] = []
    reload = house.reloader.reload

    async def noting(asked_by: str) -> Sequence[str]:
        problems = await reload(asked_by)
        asked.append(asked_by if not problems else "refused")
        return problems

    monkeypatch.setattr(house.reloader, "reload", noting)

    async def look() -> list[str]:
        asked.clear()
        for _ in range(4):
            await house.reloader.heed_secrets()
        return list(asked)

    assert await look() == []
    password.write_text("new")
    assert await look() == ["a changed secret file"]
    password.write_text("")
    assert await look() == ["refused"]
    password.write_text("newer")
    with monkeypatch.context() as patch:
        patch.setattr(house.writer, "submit", _refused)
        assert await look() == ["refused"] * 3
    assert await look() == ["a changed secret file"]


async def _refused(*_arguments: object, **_options: object) -> None:
    raise StoreUnavailable("database or disk is full")
