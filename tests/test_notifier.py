"""What the receiver has to say of itself, on its way to the store, or past it."""

import asyncio
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import func, select

from receiver.app import Settings, running
from receiver.config.destinations import ConsoleDestination
from receiver.core.content import Incidents, NoticeKind
from receiver.metrics import REJECTIONS
from receiver.notifier import KINDS_OF_DETAIL, REFUSALS, Notifier
from receiver.secret import Secret
from receiver.store.connect import Store, StoreUnavailable, Tx
from receiver.store.notices import DETAILS_KEPT
from receiver.store.schema import notice
from receiver.store.writer import StoreFull, Writer, WriterWatch
from receiver.transitions.claim import Rest
from receiver.transitions.notify import INTERVAL
from tests.timeline import HOUR, MINUTE, SECOND, Timeline, channel, policy

TROUBLE = NoticeKind.STORE_TROUBLE


class Faulty(Writer):
    """A writer whose store can be away; its failures are told to the notifier, as those of a running receiver are."""

    def __init__(self, store: Store) -> None:
        self.away: Exception | None = None
        self.trouble: Callable[[], None] = lambda: None
        self.meanwhile: Callable[[], None] = lambda: None
        super().__init__(store, WriterWatch(failed=self._told))

    def _told(self, reason: str) -> None:
        self.trouble()

    async def run(self, work: Callable[[Tx], object]) -> object:  # type: ignore[override]  # as generic as it needs
        if self.away is None:
            return await super().run(work)
        self.meanwhile()
        if isinstance(self.away, StoreUnavailable):
            self.trouble()
        raise self.away


class Stage:
    """A notifier before a real store."""

    def __init__(self, timeline: Timeline, writer: Faulty) -> None:
        self.timeline = timeline
        self.writer = writer
        self.elapsed = 0.0
        self.woken: list[dict[str, int]] = []
        self.awake = asyncio.Event()
        self.said: list[tuple[NoticeKind, int, tuple[str, ...]]] = []
        self.notifier = Notifier(
            writer,
            lambda: timeline.policy,
            self.wake,
            self.say,
            lambda: timeline.now,
            monotonic=lambda: self.elapsed,
        )
        writer.trouble = self.notifier.transaction_failed

    def wake(self, due: Mapping[str, int]) -> None:
        self.woken.append(dict(due))
        self.awake.set()

    async def say(self, kind: NoticeKind, n: int, details: tuple[str, ...]) -> None:
        self.said.append((kind, n, details))

    def passes(self, milliseconds: int) -> None:
        """Time goes by."""
        self.timeline.now += milliseconds
        self.elapsed += milliseconds / 1000

    def told(self) -> list[Incidents]:
        """Every notice that the channel is told now."""
        found = []
        while isinstance(notice := self.timeline.send_notice(), Incidents):
            found.append(notice)
        return found


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    timeline = Timeline(tmp_path / "books.db", policy(channel(), notices=("ops",)))
    yield timeline
    timeline.store.close()


@pytest.fixture
def writer(timeline: Timeline) -> Iterator[Faulty]:
    writer = Faulty(timeline.store)
    writer.start()
    yield writer
    writer.stop()


@pytest.fixture
async def stage(timeline: Timeline, writer: Faulty) -> Stage:
    return Stage(timeline, writer)


async def test_what_is_alike_is_counted_and_one_write_takes_it_all(stage: Stage) -> None:
    for _ in range(3):
        stage.notifier.refused("not_a_notification")
    stage.notifier.refused("too_large")
    stage.notifier.unknown_channel("opps")
    await stage.notifier.hand_on()
    assert stage.woken == [{"ops": stage.timeline.now}]
    refused, unknown = stage.told()
    assert (refused.kind, refused.n) == (NoticeKind.REFUSED, 4)
    assert refused.details == (
        "3 × not a notification of Alertmanager or Grafana (400)",
        "1 × larger than --web.max-body (413)",
    )
    assert (unknown.kind, unknown.details) == (NoticeKind.UNKNOWN_CHANNEL, ("1 × /webhook/opps",))


async def test_names_without_end_take_no_memory_without_end(stage: Stage) -> None:
    for n in range(10_000):
        stage.notifier.unknown_channel(f"name-{n}")
    await stage.notifier.hand_on()
    [notice] = stage.told()
    assert notice.n == 10_000
    assert notice.details == (
        *(f"1 × /webhook/name-{n}" for n in range(DETAILS_KEPT)),
        f"… and {10_000 - DETAILS_KEPT:,} more",
    )


async def test_where_nobody_is_to_be_told_nothing_is_written(stage: Stage) -> None:
    stage.timeline.reload(policy(channel()))
    stage.notifier.refused("too_large")
    await stage.notifier.hand_on()
    assert stage.woken == []


async def test_a_store_that_fails_is_told_of_past_the_store_and_nothing_noted_is_forgotten(stage: Stage) -> None:
    stage.writer.away = StoreUnavailable("database or disk is full")
    stage.notifier.refused("too_large")
    stage.notifier.refused("store_unavailable")
    for _ in range(3):
        await stage.notifier.hand_on()
    assert stage.said == [
        (
            TROUBLE,
            1,
            ("the store can't commit: database or disk is full", "1 × the store can't commit (503)"),
        )
    ]
    stage.passes(INTERVAL)
    await stage.notifier.hand_on()
    assert len(stage.said) == 2, "every ten minutes while it lasts"
    stage.writer.away = None
    await stage.notifier.hand_on()
    stage.passes(INTERVAL)
    assert sorted(notice.kind for notice in stage.told()) == [NoticeKind.REFUSED, TROUBLE]


@pytest.mark.parametrize("away", [StoreUnavailable("disk full"), StoreFull("200,000 alerts wait for their commit")])
async def test_an_hour_without_the_store_counts_what_others_met_and_not_its_own_tries(
    stage: Stage, away: Exception
) -> None:
    stage.writer.away = away
    stage.notifier.transaction_failed()
    for tried in range(720):
        stage.writer.meanwhile = stage.notifier.transaction_failed if tried == 100 else lambda: None
        await stage.notifier.hand_on()
        stage.passes(5 * SECOND)
    assert [n for _, n, _ in stage.said] == [1, 2, 2, 2, 2, 2]
    stage.writer.away = None
    await stage.notifier.hand_on()
    stage.passes(INTERVAL)
    [notice] = stage.told()
    assert (notice.n, notice.details) == (2, ("2 × a transaction failed",))


async def test_a_store_of_which_nobody_but_the_notifier_knows_that_it_fails_is_told_of(stage: Stage) -> None:
    stage.writer.away = StoreUnavailable("disk full")
    stage.notifier.refused("too_large")
    await stage.notifier.hand_on()
    assert stage.said == [(TROUBLE, 1, ("the store can't commit: disk full",))]


async def test_hours_without_the_store_take_no_memory_without_end(stage: Stage) -> None:
    stage.writer.away = StoreUnavailable("disk full")
    names = (f"name-{n}" for n in itertools.count())

    def happens() -> None:
        for name in itertools.islice(names, KINDS_OF_DETAIL):
            stage.notifier.unknown_channel(name)

    stage.writer.meanwhile = happens
    for _ in range(100):
        happens()
        stage.notifier.transaction_failed()
        await stage.notifier.hand_on()
    # One more for each kind: what is not told apart.
    assert len(stage.notifier._happened) <= KINDS_OF_DETAIL + len(NoticeKind)
    stage.writer.away = None
    await stage.notifier.hand_on()
    stage.passes(INTERVAL)
    assert {notice.kind: notice.n for notice in stage.told()} == {
        NoticeKind.UNKNOWN_CHANNEL: 200 * KINDS_OF_DETAIL,
        TROUBLE: 100,
    }


async def test_once_the_store_is_back_the_interval_counts_from_what_was_said_past_it(stage: Stage) -> None:
    begin = stage.timeline.now
    stage.writer.away = StoreUnavailable("database is locked")
    stage.notifier.transaction_failed()
    await stage.notifier.hand_on()
    stage.passes(MINUTE)
    stage.writer.away = None
    stage.notifier.refused("too_large")
    await stage.notifier.hand_on()
    [refused] = stage.told()
    assert refused.kind is NoticeKind.REFUSED, "of which nothing was said yet"
    assert stage.timeline.send_notice() == Rest(begin + INTERVAL)


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_a_step_of_the_wall_clock_changes_nothing_about_how_often_it_is_said(stage: Stage, step: int) -> None:
    stage.writer.away = StoreUnavailable("database is locked")
    stage.notifier.transaction_failed()
    await stage.notifier.hand_on()
    stage.timeline.now += step
    stage.passes(INTERVAL - SECOND)
    await stage.notifier.hand_on()
    assert len(stage.said) == 1
    stage.passes(SECOND)
    await stage.notifier.hand_on()
    assert len(stage.said) == 2
    stage.timeline.now += step
    stage.passes(MINUTE)
    stage.writer.away = None
    await stage.notifier.hand_on()
    assert stage.timeline.send_notice() == Rest(stage.timeline.now + 9 * MINUTE)


async def test_no_credential_that_somebody_put_into_a_path_is_kept_or_said(stage: Stage) -> None:
    token = "tok-5Jd83hfKs92LmQ7xZr41"
    Secret(token)  # it is known from now on
    stage.notifier.unknown_channel(token)
    stage.writer.away = StoreUnavailable(f"no access with {token}")
    await stage.notifier.hand_on()
    assert stage.said == [(TROUBLE, 1, ("the store can't commit: no access with <secret>",))]
    stage.writer.away = None
    await stage.notifier.hand_on()
    [notice] = stage.told()
    assert notice.details == ("1 × /webhook/<secret>",)


async def test_what_is_noted_within_the_pause_is_written_at_an_orderly_end(stage: Stage) -> None:
    loop = asyncio.create_task(stage.notifier.run())
    stage.notifier.refused("too_large")
    async with asyncio.timeout(20):
        await stage.awake.wait()
    stage.notifier.unknown_channel("opps")
    loop.cancel()
    async with asyncio.timeout(20):
        await asyncio.wait([loop])
    assert loop.cancelled()
    assert [notice.kind for notice in stage.told()] == [NoticeKind.REFUSED, NoticeKind.UNKNOWN_CHANNEL]


async def test_what_is_under_way_at_the_end_is_written_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()
    submit = Writer.submit

    async def submitted(self: Writer, *args: object) -> object:
        began.set()
        return await submit(self, *args)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(Writer, "submit", submitted)
    with stage.timeline.store.write():
        loop = asyncio.create_task(stage.notifier.run())
        stage.notifier.refused("too_large")
        async with asyncio.timeout(20):
            await began.wait()
        loop.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait([loop])
    stage.writer.stop()
    [notice] = stage.told()
    assert notice.n == 1


async def test_a_provider_that_hangs_does_not_hold_up_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(stage.notifier, "_say_directly", hang)
    monkeypatch.setattr("receiver.notifier.LAST_SECONDS", 0.01)
    stage.writer.away = StoreUnavailable("disk full")
    loop = asyncio.create_task(stage.notifier.run())
    await asyncio.sleep(0)
    stage.notifier.refused("too_large")
    loop.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([loop])
    assert loop.cancelled()


async def test_a_receiver_that_ends_keeps_what_it_refused_last(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    ops = policy(channel(), notices=("ops",))
    async with (
        running(Settings(url, ops, [ConsoleDestination("ops")], port=0), io.StringIO()) as receiver,
        aiohttp.ClientSession(receiver.url) as client,
    ):
        for _ in range(2):
            async with client.post("/webhook", data=b"no notification") as response:
                assert response.status == 400
    store = Store(url, lambda: 0)
    with store.read() as tx:
        [kept] = tx.rows(select(func.sum(notice.c.n).label("n")))
    store.close()
    assert kept["n"] == 2


async def test_it_hands_on_as_soon_as_there_is_something(stage: Stage) -> None:
    loop = asyncio.create_task(stage.notifier.run())
    stage.notifier.refused("too_large")
    async with asyncio.timeout(20):
        await stage.awake.wait()
    loop.cancel()


def test_every_reason_of_a_refusal_has_words() -> None:
    assert set(REFUSALS) == set(REJECTIONS)
