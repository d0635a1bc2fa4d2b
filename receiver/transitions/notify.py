"""What the receiver has to say of itself is kept for the channels of ``notices``: at most one of a kind in ten minutes.

What happens within the ten minutes is added up in the next one: nothing is left out.
"""

from collections.abc import Sequence

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


def notify(tx: Tx, kind: NoticeKind, n: int, details: Sequence[str], policy: Policy, now: int) -> dict[str, int]:
    """``n`` things of this kind have happened, ``details`` says which; when each channel has a notice due."""
    due: dict[str, int] = {}
    if not policy.notices:
        return due
    states = channels.load(tx)
    for name in policy.notices:
        channel_id = states[name].id
        waits = notices.waiting(tx, channel_id, kind)
        if waits is not None:
            notices.extend(tx, waits, n, details)
            due[name] = waits.due_at
            continue
        last = notices.last_told_at(tx, channel_id, kind, now)
        due[name] = now if last is None else max(now, min(last, now) + INTERVAL)
        notices.add(tx, channel_id, kind, due[name], n, details)
    return due
