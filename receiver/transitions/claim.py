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
from receiver.core.retrying import LONGEST_RETRY, LONGEST_WISH
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
    """A message whose bytes are fixed: they go to those who have not answered.

    ``in_doubt``: its provider may have it from an earlier attempt, or from a process that is no more.
    """

    message: Message
    payload: bytes
    recipients: tuple[str, ...]
    in_doubt: bool


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
    _heed_the_clock(tx, state, channel, now)
    open_messages = _sendable(tx, state, channel, now)
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
        return Repeat(again, messages.payload(tx, again), tuple(messages.awaited(tx, again)), in_doubt=True)
    assert group is not None, "one of the two is there"
    reason = _reason(state, group, was_throttled=was_throttled)
    return _compose(tx, state, group, reason, uid, channel.kind, policy, now)


def _heed_the_clock(tx: Tx, state: ChannelState, channel: ChannelPolicy, now: int) -> None:
    """Waits on disk are no longer than their own length, also where the clock has stepped back."""
    deliveries.clamp_due(tx, state.id, now + max(channel.group_wait, channel.group_interval, LONGEST_RETRY))
    if state.bucket.at > now or (state.retry_at is not None and state.retry_at > now + LONGEST_WISH):
        state.bucket = replace(state.bucket, at=min(state.bucket.at, now))
        state.retry_at = None if state.retry_at is None else min(state.retry_at, now + LONGEST_WISH)
        channels.save(tx, [state])


def _sendable(tx: Tx, state: ChannelState, channel: ChannelPolicy, now: int) -> list[Message]:
    """The open messages whose bytes can go again.

    What was claimed by a process that is no more, and never fixed, dissolves; so does what was fixed for another
    kind of channel under the same name.
    """
    sendable = []
    for message in messages.open_messages(tx, state.id):
        if message.state is State.CLAIMED:
            state.bucket = throttling.given_back(state.bucket, channel.throttle, now)
            channels.save(tx, [state])
            release(tx, message, channel, now)
        elif message.state is State.UNKNOWN and message.channel_kind != channel.kind:
            release(tx, message, channel, now)
        else:
            sendable.append(message)
    return sendable


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


def _compose(
    tx: Tx,
    state: ChannelState,
    group: Group,
    reason: Reason,
    uid: str,
    channel_kind: str,
    policy: Policy,
    now: int,
) -> Claimed:
    message = Message(
        id=tx.new_id(schema.message),
        uid=uid,
        channel_id=state.id,
        group_id=group.id,
        channel_kind=channel_kind,
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
    return Repeat(replace(claimed.message, state=State.UNKNOWN), payload, tuple(recipients), in_doubt=False)
