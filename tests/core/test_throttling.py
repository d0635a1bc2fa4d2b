"""The token bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.policy import Throttle
from receiver.core.throttling import Bucket, full, given_back, refilled, taken, token_at

SIX_A_MINUTE = Throttle(messages=6, per=60_000, burst=6)
SEVEN_A_MINUTE = Throttle(messages=7, per=60_000, burst=2)


def test_a_full_bucket_gives_its_burst_at_once_and_then_one_token_every_ten_seconds() -> None:
    bucket = full(SIX_A_MINUTE, 0)
    for _ in range(6):
        assert token_at(bucket, SIX_A_MINUTE, 0) == 0
        bucket = taken(bucket, SIX_A_MINUTE, 0)
    assert token_at(bucket, SIX_A_MINUTE, 0) == 10_000
    assert token_at(bucket, SIX_A_MINUTE, 9_999) == 10_000
    assert token_at(bucket, SIX_A_MINUTE, 10_000) == 10_000


def test_a_token_given_back_is_there_again_but_never_more_than_the_burst() -> None:
    spent = taken(full(SIX_A_MINUTE, 0), SIX_A_MINUTE, 0)
    assert given_back(spent, SIX_A_MINUTE, 0) == full(SIX_A_MINUTE, 0)
    assert given_back(full(SIX_A_MINUTE, 0), SIX_A_MINUTE, 0) == full(SIX_A_MINUTE, 0)


def test_a_clock_that_steps_back_takes_no_token_away() -> None:
    bucket = taken(full(SIX_A_MINUTE, 1_000_000), SIX_A_MINUTE, 1_000_000)
    assert refilled(bucket, SIX_A_MINUTE, 0).level == bucket.level


@pytest.mark.parametrize(("throttle", "level"), [(Throttle(1, 1_000, 6), 3_000), (Throttle(6, 60_000, 2), 120_000)])
def test_a_changed_throttle_keeps_the_saved_tokens_up_to_the_new_burst(throttle: Throttle, level: int) -> None:
    three_tokens = Bucket(3 * 60_000, 60_000, 0)
    assert refilled(three_tokens, throttle, 0).level == level


@given(st.lists(st.integers(0, 30_000), max_size=200))
def test_in_any_window_no_more_goes_out_than_the_burst_and_the_rate(gaps: list[int]) -> None:
    now, bucket, sent = 0, full(SEVEN_A_MINUTE, 0), []
    for gap in gaps:
        now += gap
        at = token_at(bucket, SEVEN_A_MINUTE, now)
        now, bucket = at, taken(bucket, SEVEN_A_MINUTE, at)
        assert bucket.level >= 0
        sent.append(now)
    for i, begin in enumerate(sent):
        for n, end in enumerate(sent[i:], start=1):
            assert n <= 2 + 7 * (end - begin) / 60_000 + 1e-9
