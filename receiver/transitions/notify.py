"""What the receiver has to say of itself is kept for the channels of ``notices``: at most one of a kind in ten minutes.

What happens within the ten minutes is added up in the next one: nothing is left out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from receiver.core.content import NoticeKind
from receiver.core.entries import Outcome
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import channels, deliveries, notices
from receiver.store.connect import Tx
from receiver.store.messages import Message

NAMES_SHOWN = 3
NAME_SHOWN = 80
INTERVAL = 600_000
"""Milliseconds between two notices of a kind on a channel."""


def announce_dead(
    tx: Tx, channel: ChannelPolicy, message: Message, n: int, why: str, policy: Policy, now: int
) -> dict[str, int]:
    """So many alerts of the channel are dead; the message's id is what redelivers them."""
    lost = deliveries.of_lost_items(tx, message.channel_id, message.id, Outcome.DEAD)
    names = list(dict.fromkeys(entry.labels.get("alertname", "")[:NAME_SHOWN] for entry in lost))
    more = " and others" if len(names) > NAMES_SHOWN else ""
    named = f"{', '.join(name or '(no alertname)' for name in names[:NAMES_SHOWN])}{more}"
    alerts = f"{n:,} {'alert' if n == 1 else 'alerts'}"
    detail = f"{channel.name}: {alerts} ({why.replace('_', ' ')}): {named}; message {message.uid}"
    return notify(tx, NoticeKind.DEAD_LETTERS, n, [detail], policy, now)


def notify(
    tx: Tx,
    kind: NoticeKind,
    n: int,
    details: Mapping[str, int] | Sequence[str],
    policy: Policy,
    now: int,
    told_at: int | None = None,
) -> dict[str, int]:
    """``n`` things of this kind have happened; when each channel has a notice due.

    ``details`` says which, or how many of each. ``told_at`` is when a notice of the kind went past the store, if one
    did.
    """
    due: dict[str, int] = {}
    if not policy.notices:
        return due
    counts = Counter(details)
    earliest = now if told_at is None else _next_at(told_at, now)
    states = channels.load(tx)
    for name in policy.notices:
        channel_id = states[name].id
        waits = notices.waiting(tx, channel_id, kind)
        if waits is not None:
            due[name] = waits.due_at if told_at is None else max(waits.due_at, earliest)
            notices.extend(tx, replace(waits, due_at=due[name]), n, counts, now)
            continue
        last = notices.last_told_at(tx, channel_id, kind, now)
        due[name] = earliest if last is None else max(earliest, _next_at(last, now))
        notices.add(tx, channel_id, kind, due[name], n, counts, now)
    return due


def _next_at(told_at: int, now: int) -> int:
    return max(now, min(told_at, now) + INTERVAL)
