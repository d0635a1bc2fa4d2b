"""What the receiver has to say of itself, on its way to the store, or past it."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from receiver.core.content import Incidents, NoticeKind
from receiver.metrics import REJECTIONS
from receiver.notifier import KINDS_OF_DETAIL, REFUSALS, Notifier
from receiver.store.connect import StoreUnavailable
from receiver.store.writer import Writer
from receiver.transitions.notify import INTERVAL
from tests.timeline import Timeline, channel, policy


class Stage:
    """A notifier before a real store."""

    def __init__(self, timeline: Timeline, writer: Writer) -> None:
        self.timeline = timeline
        self.woken: list[dict[str, int]] = []
        self.awake = asyncio.Event()
        self.said: list[tuple[NoticeKind, int, tuple[str, ...]]] = []
        self.notifier = Notifier(writer, lambda: timeline.policy, self.wake, self.say, lambda: timeline.now)

    def wake(self, due: Mapping[str, int]) -> None:
        self.woken.append(dict(due))
        self.awake.set()

    async def say(self, kind: NoticeKind, n: int, details: tuple[str, ...]) -> None:
        self.said.append((kind, n, details))

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
def writer(timeline: Timeline) -> Iterator[Writer]:
    writer = Writer(timeline.store)
    writer.start()
    yield writer
    writer.stop()


@pytest.fixture
async def stage(timeline: Timeline, writer: Writer) -> Stage:
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
    assert len(notice.details) <= KINDS_OF_DETAIL


async def test_where_nobody_is_to_be_told_nothing_is_written(stage: Stage) -> None:
    stage.timeline.reload(policy(channel()))
    stage.notifier.refused("too_large")
    await stage.notifier.hand_on()
    assert stage.woken == []


async def test_a_store_that_fails_is_told_of_past_the_store_and_nothing_noted_is_forgotten(
    stage: Stage, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Writer, work: object) -> object:
        raise StoreUnavailable("database or disk is full")

    works = Writer.run
    monkeypatch.setattr(Writer, "run", refuse)
    stage.notifier.refused("too_large")
    for _ in range(3):
        await stage.notifier.hand_on()
    [(kind, n, details)] = stage.said
    assert (kind, n) == (NoticeKind.STORE_TROUBLE, 1)
    assert details == ("the store can't commit: database or disk is full",)
    stage.timeline.now += INTERVAL
    await stage.notifier.hand_on()
    assert len(stage.said) == 2, "every ten minutes while it lasts"
    monkeypatch.setattr(Writer, "run", works)
    await stage.notifier.hand_on()
    assert sorted(notice.kind for notice in stage.told()) == [NoticeKind.REFUSED, NoticeKind.STORE_TROUBLE]


async def test_it_hands_on_as_soon_as_there_is_something(stage: Stage) -> None:
    loop = asyncio.create_task(stage.notifier.run())
    stage.notifier.refused("too_large")
    async with asyncio.timeout(20):
        await stage.awake.wait()
    loop.cancel()


def test_every_reason_of_a_refusal_has_words() -> None:
    assert set(REFUSALS) == set(REJECTIONS)
