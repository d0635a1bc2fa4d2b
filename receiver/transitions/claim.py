"""The third hop: a channel takes the group whose turn it is, and fixes who is in its message.

Of each channel at most one message is open. One whose bytes are fixed goes first, again and byte for byte, because
its provider may have it; one that never got that far dissolves, because its provider surely has not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from receiver.core import throttling
from receiver.core.content import Content, Told
from receiver.core.grouping import Group, Reason
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import channels, deliveries, messages, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.messages import Message, State
from receiver.transitions.release import release

# Then others of the channel have their turn first.
YIELDS_AFTER = 3


@dataclass(frozen=True, slots=True)
class Claimed:
    """A new message: its members are fixed, its bytes are to be made from ``content``."""

    message: Message
    content: Content


@dataclass(frozen=True, slots=True)
class Repeat:
    """A message that its provider may have: exactly these bytes go again, to those who have not answered."""

    message: Message
    payload: bytes
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to send before ``until`` (None: before something new arrives).

    ``heeds_news`` is False while nothing that arrives could go out sooner. ``throttled``: news has begun to wait for
    a token.
    """

    until: int | None
    heeds_news: bool = True
    throttled: bool = False


def claim(tx: Tx, channel_name: str, uid: str, policy: Policy, now: int) -> Claimed | Repeat | Rest:
    """What the channel sends next. ``uid`` is the id of the message that may be made."""
    channel = next(channel for channel in policy.channels if channel.name == channel_name)
    state = channels.load(tx)[channel_name]
    open_messages = _without_claimed(tx, messages.open_messages(tx, state.id), channel, now)
    if state.retry_at is not None and state.retry_at > now:
        return Rest(state.retry_at, heeds_news=False)
    group = deliveries.first_due(tx, state.id, now)
    again = _to_repeat(open_messages, group, now)
    if again is None and group is None:
        return Rest(_next_at(tx, state, open_messages))
    token_at = throttling.token_at(state.bucket, channel.throttle, now)
    if token_at > now:
        return _throttled(tx, state, token_at, now)
    was_throttled = state.throttled_since is not None
    state.bucket, state.throttled_since = throttling.taken(state.bucket, channel.throttle, now), None
    channels.save(tx, [state])
    if again is not None:
        return Repeat(again, messages.payload(tx, again), tuple(messages.awaited(tx, again)))
    assert group is not None, "one of the two is there"
    return _compose(tx, state, group, _reason(state, group, was_throttled=was_throttled), uid, policy, now)


def _without_claimed(tx: Tx, open_messages: Sequence[Message], channel: ChannelPolicy, now: int) -> list[Message]:
    """Dissolve what was claimed and never fixed, by a process that is no more."""
    for message in open_messages:
        if message.state is State.CLAIMED:
            release(tx, message, channel, now)
    return [message for message in open_messages if message.state is State.UNKNOWN]


def _to_repeat(open_messages: Sequence[Message], group: Group | None, now: int) -> Message | None:
    """The message whose bytes go again; after three failures it lets a group that is due go first."""
    for message in open_messages:
        if message.retry_at is None or message.retry_at <= now:
            return message if message.attempts < YIELDS_AFTER or group is None else None
    return None


def _next_at(tx: Tx, state: ChannelState, open_messages: Sequence[Message]) -> int | None:
    instants = [deliveries.next_due_at(tx, state.id), *(message.retry_at for message in open_messages)]
    return min((instant for instant in instants if instant is not None), default=None)


def _throttled(tx: Tx, state: ChannelState, token_at: int, now: int) -> Rest:
    first = state.throttled_since is None
    if first:
        state.throttled_since = now
        channels.save(tx, [state])
    return Rest(token_at, heeds_news=False, throttled=first)


def _reason(state: ChannelState, group: Group, *, was_throttled: bool) -> Reason:
    """Why this message goes out now, the most recent obstacle first."""
    if state.failures:
        return Reason.RECOVERED
    if was_throttled:
        return Reason.THROTTLED
    assert group.due_reason is not None, "a due group has its reason"
    return group.due_reason


def _compose(tx: Tx, state: ChannelState, group: Group, reason: Reason, uid: str, policy: Policy, now: int) -> Claimed:
    message = Message(
        id=tx.new_id(schema.message),
        uid=uid,
        channel_id=state.id,
        group_id=group.id,
        kind="group",
        reason=reason,
        state=State.CLAIMED,
        items=group.waiting,
        truncated=group.truncated,
        claimed_at=now,
    )
    messages.claim(tx, message)
    group.waiting = group.openings = group.severity = 0
    group.oldest_at = group.due_at = group.due_reason = None
    deliveries.save_groups(tx, [group])
    counts = messages.counts(tx, message)
    lines, external_url = messages.lines(tx, message, policy.severity.levels)
    also_firing, also_firing_lines = messages.also_firing(tx, group.id, policy.severity.levels)
    content = Content(
        channel=state.name,
        uid=uid,
        kind=message.kind,
        reason=reason,
        composed_at=now,
        group={name: value for name, value in group.labels.items() if value},
        firing=counts.get(Told.FIRING, 0),
        resolved=counts.get(Told.RESOLVED, 0),
        fired_and_resolved=counts.get(Told.FIRED_AND_RESOLVED, 0),
        lines=lines,
        also_firing=also_firing,
        also_firing_lines=also_firing_lines,
        truncated=group.truncated,
        external_url=external_url,
    )
    return Claimed(message, content)


def fix(tx: Tx, claimed: Claimed, subject: str, payload: bytes, recipients: Sequence[str]) -> Repeat:
    """Fix the message's bytes before its first attempt; from here on its provider may have them."""
    messages.fix(tx, claimed.message, subject, payload, recipients)
    return Repeat(replace(claimed.message, state=State.UNKNOWN), payload, tuple(recipients))
