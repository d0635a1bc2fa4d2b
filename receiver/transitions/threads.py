"""A group's thread lasts as long as something of it fires, as far as people know."""

from collections.abc import Iterable, Sequence

from receiver.core import grouping
from receiver.core.content import Ended
from receiver.core.grouping import Group
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import groups
from receiver.store.connect import Tx

MOST_ENDED = 20
"""Threads that a digest ends in so many words; an edit each, of which Slack takes some fifty a minute."""


def ended(tx: Tx, several: Sequence[Group], channel: ChannelPolicy, policy: Policy, now: int) -> tuple[Ended, ...]:
    """The groups of a digest, whose members are on their way, that have a thread and are over by it."""
    threads = {group.id: thread for group in several if (thread := grouping.thread(group, channel.kind))}
    first = [group for group in several if group.id in threads][:MOST_ENDED]
    over = groups.over(tx, [group.id for group in first], now - policy.expire_after) if first else ()
    return tuple(
        Ended(threads[group.id], {name: value for name, value in group.labels.items() if value})
        for group in first
        if group.id in over
    )


def end_threads(tx: Tx, several: Iterable[Group], channel: ChannelPolicy, policy: Policy, now: int) -> None:
    """Of these groups those of which nothing fires any more: what comes next begins a new thread."""
    threaded = [group for group in several if group.thread is not None]
    ids, lapsed = [group.id for group in threaded], now - policy.expire_after
    firing = groups.firing(tx, ids, lapsed, ends_told=channel.send_resolved)
    for group in threaded:
        if group.id not in firing:
            group.thread = None
