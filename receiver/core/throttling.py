"""The token bucket of a channel: an attempt takes a token, and without one the news waits.

Exact in integers: the level is counted in units of which a token has ``per``, and each millisecond adds
``messages`` of them.
"""

from dataclasses import dataclass

from receiver.core.policy import Throttle


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
