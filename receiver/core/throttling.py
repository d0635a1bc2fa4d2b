"""The token bucket of a channel: an attempt takes a token; when tokens run out, what is due is folded into a digest.

Two promises: in any window at most burst + rate x window messages, and while the channel works nothing that is due
waits longer than ``longest_wait``. One token is kept for urgent news.

Exact in integers: the level is counted in units of which a token has ``per``, and each millisecond adds
``messages`` of them.
"""

from dataclasses import dataclass

from receiver.core.grouping import Reason, WaitUntil
from receiver.core.policy import ChannelPolicy, Throttle


@dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket as it was ``at`` an instant; ``per`` says what the level's units meant then."""

    level: int
    per: int
    at: int


def full(throttle: Throttle, now: int) -> Bucket:
    """A bucket that holds its whole burst."""
    return Bucket(throttle.burst * throttle.per, throttle.per, now)


def refilled(bucket: Bucket, throttle: Throttle, now: int) -> Bucket:
    """The same bucket, later, and under a throttle that may have changed meanwhile."""
    level = bucket.level * throttle.per // bucket.per
    elapsed = max(0, now - bucket.at)
    return Bucket(min(throttle.burst * throttle.per, level + elapsed * throttle.messages), throttle.per, now)


def token_at(bucket: Bucket, throttle: Throttle, now: int) -> int:
    """The earliest instant, ``now`` or later, at which the refilled bucket holds a token."""
    missing = throttle.per - refilled(bucket, throttle, now).level
    return now if missing <= 0 else now + -(-missing // throttle.messages)


def taken(bucket: Bucket, throttle: Throttle, now: int) -> Bucket:
    """The bucket without one token; the caller has asked ``token_at``."""
    held = refilled(bucket, throttle, now)
    return Bucket(held.level - throttle.per, held.per, now)


def given_back(bucket: Bucket, throttle: Throttle, now: int) -> Bucket:
    """The bucket with a token back, because its attempt surely reached nobody."""
    held = refilled(bucket, throttle, now)
    return Bucket(min(throttle.burst * throttle.per, held.level + throttle.per), held.per, now)


@dataclass(frozen=True, slots=True)
class Queue:
    """The groups that are due: how many, the ``urgent`` ones of them, and since when the oldest other one is due."""

    groups: int
    urgent: int
    rest_due_at: int | None = None


@dataclass(frozen=True, slots=True)
class Single:
    """The first group, or the first urgent one, gets its message."""

    urgent_only: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """Everything due, or everything urgent, goes together in one digest."""

    urgent_only: bool = False


def gathers(channel: ChannelPolicy, failing_since: int | None, now: int, *, catching_up: bool) -> bool:
    """Whether so much time was lost that the next message is to carry everything.

    After a downtime (``catching_up``), or when the channel has failed for longer than its ``group_interval``: what
    each group had to say is no longer fresh.
    """
    return catching_up or (failing_since is not None and now - failing_since > channel.group_interval)


def kept(throttle: Throttle) -> int:
    """The tokens that are kept for urgent news."""
    return 1 if throttle.burst >= 2 else 0


def longest_wait(channel: ChannelPolicy) -> int:
    """How long what is due may wait while the channel works: the larger of one token and ``digest_interval``."""
    return max(_one_token(channel.throttle), channel.digest_interval)


def plan(
    queue: Queue, bucket: Bucket, channel: ChannelPolicy, last_digest_at: int | None, now: int, *, gather: bool = False
) -> Single | Fold | WaitUntil:
    """What the channel's next message carries, when something is due.

    With ``gather``, after an outage or a downtime, the next message carries everything. ``WaitUntil`` names the next
    instant at which the answer may be another one, if no news comes before.
    """
    tokens = refilled(bucket, channel.throttle, now).level // channel.throttle.per
    free = max(0, tokens - kept(channel.throttle))
    late_at = None if queue.rest_due_at is None else queue.rest_due_at + longest_wait(channel)
    # Where the clock has stepped back, the digest's rest is no longer than its own length.
    digest_at = None if last_digest_at is None else min(last_digest_at, now) + channel.digest_interval
    everything = Fold() if queue.groups > 1 else Single()
    if tokens > 0:
        late = late_at is not None and late_at <= now
        if gather or (late and free <= 1):
            return everything
        if queue.groups <= free or (free > 1 and (late or digest_at is None or digest_at <= now)):
            return Single()
        if free == 1 and (digest_at is None or digest_at <= now):
            return everything
        if queue.urgent:
            # Urgent news goes alone as long as the rest can still make its bound with the token after this one.
            waits_too_long = late_at is not None and now + _one_token(channel.throttle) > late_at
            if tokens == 1 and waits_too_long:
                return everything
            return Single(urgent_only=True) if tokens > 1 or queue.urgent == 1 else Fold(urgent_only=True)
    changes = [_level_at(bucket, channel.throttle, tokens + 1, now), late_at, digest_at]
    return WaitUntil(min(at for at in changes if at is not None and at > now), Reason.THROTTLED)


def _one_token(throttle: Throttle) -> int:
    return -(-throttle.per // throttle.messages)


def _level_at(bucket: Bucket, throttle: Throttle, tokens: int, now: int) -> int | None:
    """When the bucket holds so many tokens; None when it can't hold them."""
    if tokens > throttle.burst:
        return None
    missing = tokens * throttle.per - refilled(bucket, throttle, now).level
    return now + max(0, -(-missing // throttle.messages))
