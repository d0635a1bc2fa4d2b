"""How long a channel rests after a failure."""

import pytest

from receiver.core.retrying import Failure, FailureClass, Refused, after, after_refusal

TRANSIENT = Failure(FailureClass.TRANSIENT, "timeout")
MISCONFIGURED = Failure(FailureClass.MISCONFIGURED, "auth_failed", 535)
REJECTED = Failure(FailureClass.REJECTED, "invalid_blocks", 400)


@pytest.mark.parametrize(
    ("failure", "in_a_row", "jitter", "rest"),
    [
        (TRANSIENT, 1, 0.0, 1_000),
        (TRANSIENT, 2, 0.0, 2_000),
        (TRANSIENT, 9, 0.0, 256_000),
        (TRANSIENT, 10, 0.0, 300_000),
        (TRANSIENT, 10_000, 0.0, 300_000),
        (TRANSIENT, 1, 0.5, 750),
        (TRANSIENT, 10, 0.999, 150_150),
        (MISCONFIGURED, 1, 0.5, 300_000),
        (REJECTED, 1, 0.5, 300_000),
        (Failure(FailureClass.TRANSIENT, "rate_limited", 429, retry_after=30_000), 1, 0.5, 30_000),
        (Failure(FailureClass.TRANSIENT, "rate_limited", 429, retry_after=0), 1, 0.5, 1_000),
        (Failure(FailureClass.TRANSIENT, "rate_limited", 429, retry_after=10**9), 1, 0.5, 3_600_000),
    ],
)
def test_the_rest_doubles_up_to_five_minutes_and_heeds_the_provider(
    failure: Failure, in_a_row: int, jitter: float, rest: int
) -> None:
    assert after(failure, in_a_row, jitter) == rest


@pytest.mark.parametrize(
    ("groups", "refused_at", "accepted_at", "decision"),
    [
        (2, None, None, Refused.HALVE),
        (2, 1_000, 2_000, Refused.HALVE),
        (1, None, None, Refused.PLAIN),
        (1, None, 2_000, Refused.PLAIN),
        (1, 1_000, None, Refused.PLAIN),
        (1, 1_000, 999, Refused.PLAIN),
        (1, 1_000, 1_000, Refused.DEAD),
    ],
)
def test_what_is_refused_again_is_dead_only_when_something_else_was_taken_since(
    groups: int, refused_at: int | None, accepted_at: int | None, decision: Refused
) -> None:
    assert after_refusal(groups, refused_at, accepted_at) is decision
