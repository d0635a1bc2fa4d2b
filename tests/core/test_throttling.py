"""The token bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.grouping import Reason, WaitUntil
from receiver.core.policy import Throttle
from receiver.core.throttling import (
    Bucket,
    Fold,
    Queue,
    Single,
    full,
    gathers,
    given_back,
    plan,
    refilled,
    taken,
    token_at,
)
from tests.timeline import channel

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


OPS = channel(throttle=SIX_A_MINUTE, digest_interval=60_000)
AT = 1_000_000


def holding(tokens: float) -> Bucket:
    """A bucket with so many tokens at AT."""
    return Bucket(int(tokens * SIX_A_MINUTE.per), SIX_A_MINUTE.per, AT)


@pytest.mark.parametrize(
    ("queue", "tokens", "digest_ago", "decision"),
    [
        # As many tokens as groups, the kept one not counted: each gets its message.
        (Queue(1, 0, AT), 2, None, Single()),
        (Queue(5, 0, AT), 6, None, Single()),
        (Queue(5, 0, AT), 6, 1_000, Single()),
        # More groups: the first get a message each, the last token carries the rest.
        (Queue(6, 0, AT), 6, None, Single()),
        (Queue(5, 0, AT), 3, None, Single()),
        (Queue(4, 0, AT), 2, None, Fold()),
        (Queue(30, 30), 2, None, Fold()),
        # The kept token is for urgent news.
        (Queue(1, 0, AT), 1, None, WaitUntil(AT + 10_000, Reason.THROTTLED)),
        (Queue(1, 1), 1, None, Single(urgent_only=True)),
        (Queue(3, 1, AT), 1, None, Single(urgent_only=True)),
        (Queue(3, 2, AT), 1, None, Fold(urgent_only=True)),
        # Within the digest's rest only urgent news goes out.
        (Queue(2, 0, AT), 2, 59_999, WaitUntil(AT + 1, Reason.THROTTLED)),
        (Queue(2, 0, AT), 2, 60_000, Fold()),
        (Queue(9, 3, AT), 6, 1_000, Single(urgent_only=True)),
        (Queue(9, 3, AT), 1, 1_000, Fold(urgent_only=True)),
        (Queue(9, 1, AT), 1.9, 1_000, Single(urgent_only=True)),
        # With the last token the rest goes along when it could not make its bound with the next.
        (Queue(9, 1, AT - 50_000), 1, 1_000, Single(urgent_only=True)),
        (Queue(9, 1, AT - 50_001), 1, 1_000, Fold()),
        # What has been due for the bound goes with any token.
        (Queue(1, 0, AT - 59_999), 1, None, WaitUntil(AT + 1, Reason.THROTTLED)),
        (Queue(1, 0, AT - 60_000), 1, None, Single()),
        (Queue(2, 0, AT - 60_000), 1, 1_000, Fold()),
        (Queue(3, 0, AT - 60_000), 2, 1_000, Fold()),
        (Queue(4, 0, AT - 60_000), 4, 1_000, Single()),
        # Without a token nothing goes.
        (Queue(1, 1), 0, None, WaitUntil(AT + 10_000, Reason.THROTTLED)),
        (Queue(9, 9), 0.5, None, WaitUntil(AT + 5_000, Reason.THROTTLED)),
        (Queue(1, 0, AT - 90_000), 0, None, WaitUntil(AT + 10_000, Reason.THROTTLED)),
    ],
)
def test_what_the_next_message_carries(
    queue: Queue, tokens: float, digest_ago: int | None, decision: Single | Fold | WaitUntil
) -> None:
    last_digest_at = None if digest_ago is None else AT - digest_ago
    assert plan(queue, holding(tokens), OPS, last_digest_at, AT) == decision


@pytest.mark.parametrize(
    ("queue", "tokens", "decision"),
    [
        (Queue(3, 1, AT), 6, Fold()),
        (Queue(1, 0, AT), 6, Single()),
        (Queue(3, 0, AT), 1, Fold()),
        (Queue(3, 0, AT), 0, WaitUntil(AT + 10_000, Reason.THROTTLED)),
    ],
)
def test_after_an_outage_the_next_message_carries_everything(
    queue: Queue, tokens: float, decision: Single | Fold | WaitUntil
) -> None:
    assert plan(queue, holding(tokens), OPS, None, AT, gather=True) == decision


@pytest.mark.parametrize(
    ("failing_for", "catching_up", "gathered"),
    [(None, False, False), (None, True, True), (120_000, False, False), (120_001, False, True)],
)
def test_everything_is_gathered_after_more_than_a_group_interval_without_the_channel(
    failing_for: int | None, catching_up: bool, gathered: bool
) -> None:
    ops = channel(group_interval=120_000)
    since = None if failing_for is None else AT - failing_for
    assert gathers(ops, since, AT, catching_up=catching_up) is gathered


def test_with_a_burst_of_one_no_token_is_kept() -> None:
    single = channel(throttle=Throttle(1, 10_000, 1), digest_interval=60_000)
    bucket = full(single.throttle, AT)
    assert plan(Queue(1, 0, AT), bucket, single, None, AT) == Single()
    assert plan(Queue(2, 0, AT), bucket, single, None, AT) == Fold()
    assert plan(Queue(2, 0, AT), bucket, single, AT - 1, AT) == WaitUntil(AT + 59_999, Reason.THROTTLED)
    assert plan(Queue(2, 1, AT), bucket, single, AT - 1, AT) == Single(urgent_only=True)


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 4), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([SIX_A_MINUTE, SEVEN_A_MINUTE, Throttle(1, 300_000, 2), Throttle(1, 5_000, 1)]),
)
def test_nothing_that_is_due_waits_longer_than_its_bound(
    arrivals: list[tuple[int, int, bool]], throttle: Throttle
) -> None:
    ops = channel(throttle=throttle, digest_interval=60_000)
    bound = max(60_000, -(-throttle.per // throttle.messages))
    now, bucket, last_digest_at = AT, full(throttle, AT), None
    due: list[tuple[int, bool]] = []
    instants = []
    for gap, groups, urgent in arrivals:
        now += gap
        instants += [(now, urgent)] * groups
    now = AT
    while instants or due:
        due += [each for each in instants if each[0] <= now]
        instants = [each for each in instants if each[0] > now]
        due.sort(key=lambda each: (not each[1], each[0]))
        wake = min((at for at, _ in instants), default=None)
        if due:
            rest = [at for at, urgent in due if not urgent]
            queue = Queue(len(due), len(due) - len(rest), min(rest, default=None))
            match plan(queue, bucket, ops, last_digest_at, now):
                case WaitUntil(at, _):
                    assert at > now
                    wake = at if wake is None else min(at, wake)
                case Single() | Fold() as chosen:
                    candidates = [each for each in due if each[1] or not chosen.urgent_only]
                    told = candidates if isinstance(chosen, Fold) else candidates[:1]
                    bucket = taken(bucket, throttle, now)
                    assert bucket.level >= 0
                    last_digest_at = now if len(told) > 1 else last_digest_at
                    for each in told:
                        assert now - each[0] <= bound
                        due.remove(each)
                    continue
        assert wake is not None
        now = wake
