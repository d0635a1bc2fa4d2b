"""Claim, send, settle: what goes out, when, and what the books say of it."""

import pytest

from receiver.core.content import Content, Told
from receiver.core.grouping import Reason
from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.store.messages import Answer
from receiver.transitions.claim import Claimed, Repeat, Rest
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, channel, firing, policy, resolved

REFUSED = Failure(FailureClass.TRANSIENT, "connection_refused")
NO_ANSWER = Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True)
WRONG_PASSWORD = Failure(FailureClass.MISCONFIGURED, "auth_failed", 535)
NO_SUCH_USER = Failure(FailureClass.REJECTED, "recipients_refused", 550)


def claimed(timeline: Timeline, name: str = "ops") -> Claimed:
    found = timeline.claim(name)
    assert isinstance(found, Claimed)
    return found


def sent(timeline: Timeline, *, after: int = 10 * SECOND) -> Repeat:
    """An alert on its way, bytes fixed."""
    timeline.receive(firing(pod="a"))
    timeline.now += after
    return timeline.fix(claimed(timeline), b"exactly these")


def test_a_group_waits_for_more_and_is_told_as_one(timeline: Timeline) -> None:
    timeline.receive(firing(pod="a"))
    timeline.now += 9_999
    timeline.receive(firing(pod="b"))
    assert timeline.claim() == Rest(START + 10 * SECOND)
    timeline.now += 1
    content = claimed(timeline).content
    assert (content.firing, content.reason) == (2, Reason.WAIT)
    assert {line.labels["pod"] for line in content.lines} == {"a", "b"}


def test_five_openings_are_told_at_once(timeline: Timeline) -> None:
    timeline.receive(*(firing(pod=str(n)) for n in range(4)))
    assert timeline.claim() == Rest(START + 10 * SECOND)
    timeline.receive(firing(pod="4"))
    assert claimed(timeline).content.reason == Reason.THRESHOLD


def test_after_a_message_the_group_cools_down_and_then_says_what_else_fires(timeline: Timeline) -> None:
    timeline.settle(sent(timeline))
    timeline.receive(*(firing(pod=str(n)) for n in range(5)))
    assert timeline.claim() == Rest(timeline.now + 2 * MINUTE)
    timeline.now += 2 * MINUTE
    content = claimed(timeline).content
    assert (content.reason, content.firing, content.also_firing) == (Reason.COOLDOWN, 5, 1)
    assert content.also_firing_lines[0].labels["pod"] == "a"


def test_groups_are_told_apart_most_severe_first(timeline: Timeline) -> None:
    timeline.receive(firing("A", severity="info"))
    timeline.now += SECOND
    timeline.receive(firing("B", severity="critical"), firing("C", severity="warning"))
    timeline.now += MINUTE
    told = []
    while not isinstance(content := timeline.send(), Rest):
        told.append(content.group["alertname"])
    assert told == ["B", "C", "A"]


def test_without_a_token_news_waits_and_nothing_is_lost(timeline: Timeline) -> None:
    timeline.reload(policy(channel(throttle=Throttle(6, MINUTE, 1))))
    timeline.receive(firing("First"))
    timeline.now += 10 * SECOND
    assert not isinstance(timeline.send(), Rest)
    timeline.receive(firing("Second"))
    timeline.now += 5 * SECOND
    timeline.receive(*(firing("Second", pod=str(n)) for n in range(4)))
    until = timeline.now + 5 * SECOND
    assert timeline.claim() == Rest(until, heeds_news=False, throttled=True)
    assert timeline.claim() == Rest(until, heeds_news=False, throttled=False)
    timeline.restart()
    timeline.now = until
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.reason, content.firing) == (Reason.THROTTLED, 5)
    assert timeline.ledger() == {"accepted": 6, "delivered": 6}


def test_a_message_that_surely_reached_nobody_dissolves_and_is_composed_anew(timeline: Timeline) -> None:
    first = sent(timeline)
    settled = timeline.settle(first, REFUSED)
    assert (settled.told, settled.rest) == (0, SECOND)
    assert timeline.ledger() == {"accepted": 1, "pending": 1}
    assert timeline.claim() == Rest(timeline.now + SECOND)
    timeline.receive(firing(pod="b"))
    timeline.now += SECOND
    content = claimed(timeline).content
    assert (content.firing, content.reason) == (2, Reason.RECOVERED)


def test_a_message_that_may_have_been_taken_goes_again_byte_for_byte_before_anything_newer(
    timeline: Timeline,
) -> None:
    timeline.settle(sent(timeline), NO_ANSWER)
    timeline.receive(resolved(pod="a"))
    timeline.restart()
    timeline.now += SECOND
    again = timeline.claim()
    assert isinstance(again, Repeat)
    assert again.payload == b"exactly these"
    timeline.settle(again)
    assert timeline.ledger() == {"accepted": 2, "delivered": 1, "pending": 1}
    timeline.now += 2 * MINUTE
    assert claimed(timeline).content.resolved == 1


def test_after_three_failures_a_message_that_may_have_been_taken_lets_other_groups_go_first(
    timeline: Timeline,
) -> None:
    repeat = sent(timeline)
    timeline.receive(firing("Other"))
    for _ in range(3):
        rest = timeline.settle(repeat, NO_ANSWER).rest
        assert rest is not None
        timeline.now += rest + 20 * SECOND
        found = timeline.claim()
        repeat = found if isinstance(found, Repeat) else repeat
    assert isinstance(found, Claimed)
    assert found.content.group == {"alertname": "Other"}
    timeline.settle(timeline.fix(found))
    again = timeline.claim()
    assert isinstance(again, Repeat)
    assert again.payload == b"exactly these"


def test_nothing_newer_of_a_group_passes_a_message_that_may_have_been_taken(timeline: Timeline) -> None:
    repeat = sent(timeline)
    timeline.receive(firing(pod="b"))
    for wait in (2 * MINUTE, 2 * MINUTE, 2 * MINUTE, 8 * SECOND):
        timeline.settle(repeat, NO_ANSWER)
        assert timeline.claim() == Rest(timeline.books().channels["ops"].retry_at)
        timeline.now += wait
        found = timeline.claim()
        assert isinstance(found, Repeat)
        assert found.payload == b"exactly these"


def test_a_kill_before_the_bytes_are_fixed_sends_nothing_twice_and_loses_nothing(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    claimed(timeline)
    timeline.restart()
    assert timeline.ledger() == {"accepted": 1, "pending": 1}
    assert claimed(timeline).content.firing == 1


def test_a_kill_after_the_bytes_are_fixed_sends_them_again(timeline: Timeline) -> None:
    sent(timeline)
    timeline.restart()
    again = timeline.claim()
    assert isinstance(again, Repeat)
    assert again.payload == b"exactly these"


def test_what_resolves_while_its_message_fails_is_told_as_fired_and_resolved(timeline: Timeline) -> None:
    repeat = sent(timeline)
    timeline.receive(resolved(pod="a"))
    assert timeline.ledger() == {"accepted": 2, "pending": 2}
    timeline.settle(repeat, REFUSED)
    assert timeline.ledger() == {"accepted": 2, "superseded": 1, "pending": 1}
    timeline.now += MINUTE
    assert claimed(timeline).content.fired_and_resolved == 1


def test_without_send_resolved_an_alert_over_before_anybody_heard_of_it_is_still_told(timeline: Timeline) -> None:
    timeline.policy = policy(channel(send_resolved=False))
    repeat = sent(timeline)
    timeline.receive(resolved(pod="a"))
    timeline.settle(repeat, REFUSED)
    assert timeline.ledger() == {"accepted": 2, "unannounced": 1, "pending": 1}
    timeline.now += MINUTE
    assert claimed(timeline).content.fired_and_resolved == 1


def test_what_comes_while_a_message_is_on_its_way_waits_on(timeline: Timeline) -> None:
    repeat = sent(timeline)
    timeline.receive(resolved(pod="a"), firing(pod="b"))
    timeline.settle(repeat)
    assert timeline.ledger() == {"accepted": 3, "delivered": 1, "pending": 2}
    timeline.now += 2 * MINUTE
    content = claimed(timeline).content
    assert (content.firing, content.resolved) == (1, 1)


def test_a_wrong_password_keeps_everything_pending_and_shows_that_the_channel_is_down(timeline: Timeline) -> None:
    settled = timeline.settle(sent(timeline), WRONG_PASSWORD)
    assert settled.rest == 5 * MINUTE
    assert timeline.books().channels["ops"].failure_class == FailureClass.MISCONFIGURED
    timeline.now += 5 * MINUTE
    timeline.settle(timeline.fix(claimed(timeline)))
    assert timeline.books().channels["ops"].failure_class is None
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}


def test_a_failed_attempt_gives_its_token_back_unless_it_may_have_been_taken(timeline: Timeline) -> None:
    full = timeline.books().channels["ops"].bucket.level
    timeline.settle(sent(timeline), REFUSED)
    assert timeline.books().channels["ops"].bucket.level == full
    timeline.now += SECOND
    timeline.settle(timeline.fix(claimed(timeline)), NO_ANSWER)
    assert timeline.books().channels["ops"].bucket.level < full


BOTH = ("a@example.com", "b@example.com")
TAKEN = (Answer.ACCEPTED, 250)
LATER = (Answer.AWAITED, 451)


def partly_taken(timeline: Timeline) -> Repeat:
    """A mail that one of two recipients has, while the other's mailbox said "later"."""
    timeline.receive(firing(pod="a"))
    timeline.now += 10 * SECOND
    repeat = timeline.fix(claimed(timeline), b"mail", BOTH)
    assert timeline.settle(repeat, answers=dict(zip(BOTH, (TAKEN, LATER), strict=True))).told == 0
    return repeat


def newer_news(timeline: Timeline) -> Claimed:
    """What is claimed once the other's mailbox has said "later" to the older mail again."""
    found = timeline.claim()
    while isinstance(found, Repeat):
        timeline.settle(found, Failure(FailureClass.TRANSIENT, "recipients_refused", 451))
        found = timeline.claim()
    assert isinstance(found, Claimed)
    return found


def test_recipients_who_said_later_are_asked_again_alone(timeline: Timeline) -> None:
    partly_taken(timeline)
    assert timeline.ledger() == {"accepted": 1, "pending": 1}
    timeline.now += SECOND
    again = timeline.claim()
    assert isinstance(again, Repeat)
    assert (again.payload, again.recipients) == (b"mail", ("b@example.com",))
    timeline.settle(again, Failure(FailureClass.TRANSIENT, "recipients_refused", 451))
    assert timeline.ledger() == {"accepted": 1, "pending": 1}
    timeline.now += MINUTE
    again = timeline.claim()
    assert isinstance(again, Repeat)
    timeline.settle(again, NO_SUCH_USER)
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}


def test_a_recipient_who_always_says_later_holds_back_no_news_of_the_group(timeline: Timeline) -> None:
    partly_taken(timeline)
    timeline.receive(resolved(pod="a"), firing(pod="b"))
    timeline.now += 2 * MINUTE
    found = newer_news(timeline)
    assert (found.content.firing, found.content.resolved) == (1, 1)
    newer = timeline.fix(found, b"newer", BOTH)
    timeline.settle(newer, answers=dict(zip(BOTH, (TAKEN, LATER), strict=True)))
    assert timeline.ledger() == {"accepted": 3, "pending": 3}


def test_a_recipient_who_took_newer_news_is_not_sent_the_older(timeline: Timeline) -> None:
    partly_taken(timeline)
    timeline.receive(resolved(pod="a"))
    timeline.now += 2 * MINUTE
    found = newer_news(timeline)
    timeline.settle(timeline.fix(found, b"newer", BOTH), answers=dict.fromkeys(BOTH, TAKEN))
    assert timeline.ledger() == {"accepted": 2, "delivered": 2}
    timeline.now += 60 * MINUTE
    assert timeline.claim() == Rest(None)


def test_bytes_in_doubt_stay_what_they_are_when_the_next_attempt_surely_fails(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), NO_ANSWER)
    timeline.receive(resolved(pod="a"))
    for _ in range(2):
        timeline.now += 10 * MINUTE
        again = timeline.claim()
        assert isinstance(again, Repeat)
        assert again.payload == b"exactly these"
        timeline.settle(again, REFUSED)
    timeline.now += 10 * MINUTE
    again = timeline.claim()
    assert isinstance(again, Repeat)
    timeline.settle(again)
    assert timeline.ledger() == {"accepted": 2, "delivered": 1, "pending": 1}


def test_after_a_kill_bytes_in_doubt_outlive_a_provider_that_is_not_there_yet(timeline: Timeline) -> None:
    sent(timeline)
    timeline.restart()
    again = timeline.claim()
    assert isinstance(again, Repeat)
    timeline.settle(again, REFUSED)
    timeline.now += MINUTE
    again = timeline.claim()
    assert isinstance(again, Repeat)
    assert again.payload == b"exactly these"


def test_bytes_fixed_for_another_kind_of_channel_are_made_anew(timeline: Timeline) -> None:
    sent(timeline)
    timeline.policy = policy(channel(kind="slack"))
    timeline.restart()
    assert claimed(timeline).content.firing == 1


def test_a_refused_message_rests_alone_while_the_channel_goes_on(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), Failure(FailureClass.REJECTED, "invalid_blocks", 400))
    assert timeline.books().channels["ops"].failure_class is None
    timeline.receive(*(firing("Other", pod=str(n)) for n in range(5)), firing(pod="b"))
    other = claimed(timeline)
    assert other.content.group == {"alertname": "Other"}
    timeline.settle(timeline.fix(other))
    assert timeline.claim() == Rest(timeline.now + 5 * MINUTE)
    timeline.now += 5 * MINUTE
    assert claimed(timeline).content.firing == 2


def test_a_restart_tries_at_once_what_somebody_may_have_put_right(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), WRONG_PASSWORD)
    assert isinstance(timeline.claim(), Rest)
    timeline.restart()
    assert claimed(timeline).content.firing == 1


def test_what_needs_a_person_is_over_only_when_something_goes_through(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), WRONG_PASSWORD)
    timeline.now += 5 * MINUTE
    timeline.settle(timeline.fix(claimed(timeline)), REFUSED)
    assert timeline.books().channels["ops"].failure_class == FailureClass.MISCONFIGURED


def test_a_clock_that_steps_back_a_day_lengthens_no_wait_beyond_its_own(timeline: Timeline) -> None:
    timeline.policy = policy(channel(throttle=Throttle(6, MINUTE, 1)))
    timeline.restart()
    timeline.settle(sent(timeline))
    timeline.receive(firing(pod="b"))
    timeline.now -= 1440 * MINUTE
    rest = timeline.claim()
    assert isinstance(rest, Rest)
    assert rest.until is not None
    assert rest.until - timeline.now <= 5 * MINUTE
    timeline.now = rest.until + 10 * SECOND
    assert claimed(timeline).content.firing == 1


def test_what_max_alerts_cut_off_is_said_once(timeline: Timeline) -> None:
    timeline.receive(firing(pod="a"), truncated=3)
    timeline.now += 10 * SECOND
    first = timeline.send()
    assert not isinstance(first, Rest)
    assert first.truncated == 3
    timeline.receive(firing(pod="b"))
    timeline.now += 10 * MINUTE
    second = timeline.send()
    assert not isinstance(second, Rest)
    assert second.truncated == 0


def test_a_storm_renders_its_first_lines_and_counts_the_rest(timeline: Timeline) -> None:
    timeline.receive(*(firing(pod=f"{n:05}", severity="critical" if n % 100 == 0 else "info") for n in range(2_000)))
    claim = claimed(timeline)
    assert (claim.content.firing, len(claim.content.lines)) == (2_000, 500)
    assert [line.severity for line in claim.content.lines[:21]] == ["critical"] * 20 + ["info"]
    timeline.settle(timeline.fix(claim))
    assert timeline.ledger() == {"accepted": 2_000, "delivered": 2_000}


def test_urgent_news_tries_a_failing_channel_at_once_but_not_all_the_time(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), REFUSED)
    for _ in range(9):
        timeline.now += 5 * MINUTE
        timeline.settle(timeline.fix(claimed(timeline)), REFUSED)
    timeline.receive(firing("Other"))
    rests_until = timeline.now + 5 * MINUTE
    assert timeline.claim() == Rest(rests_until)
    timeline.receive(firing("Down", severity="critical"))
    assert timeline.claim() == Rest(timeline.now + SECOND)
    timeline.now += SECOND
    timeline.settle(timeline.fix(claimed(timeline)), REFUSED)
    assert timeline.claim() == Rest(rests_until)
    timeline.receive(firing("Down", severity="critical"))
    assert timeline.claim() == Rest(rests_until)


def test_urgent_news_waits_for_a_provider_that_asked_for_patience(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), Failure(FailureClass.TRANSIENT, "rate_limited", 429, retry_after=30 * SECOND))
    until = timeline.now + 30 * SECOND
    timeline.now += 5 * SECOND
    timeline.receive(firing("Down", severity="critical"))
    assert timeline.claim() == Rest(until, heeds_news=False)


@pytest.mark.parametrize(("unseen_for", "also_firing"), [(HOUR - 1, 1), (HOUR, 0)])
def test_what_was_not_confirmed_for_expire_after_is_no_longer_said_to_fire(
    timeline: Timeline, unseen_for: int, also_firing: int
) -> None:
    timeline.policy = policy(expire_after=HOUR)
    timeline.settle(sent(timeline))
    timeline.now = START + unseen_for
    timeline.receive(firing(pod="b", severity="critical"))
    content = claimed(timeline).content
    assert (content.firing, content.also_firing) == (1, also_firing)
    assert content.also_confirmed_at == (START if also_firing else None)


def test_a_lapsed_alert_is_confirmed_by_a_firing_and_its_resolve_is_told(timeline: Timeline) -> None:
    timeline.settle(sent(timeline))
    timeline.now += 48 * HOUR
    timeline.receive(resolved(pod="a", ends_at=timeline.now))
    timeline.now += 10 * SECOND
    assert claimed(timeline).content.resolved == 1


@pytest.mark.parametrize("failure", [REFUSED, NO_ANSWER])
def test_a_clock_that_steps_back_lengthens_no_backoff(timeline: Timeline, failure: Failure) -> None:
    timeline.settle(sent(timeline), failure)
    timeline.now -= 24 * HOUR
    rest = timeline.claim()
    assert isinstance(rest, Rest)
    assert rest.until == timeline.now + SECOND
    timeline.now += 2 * MINUTE
    assert not isinstance(timeline.claim(), Rest)


def test_a_message_in_doubt_does_not_starve_behind_others(timeline: Timeline) -> None:
    timeline.policy = policy(channel(throttle=Throttle(1, MINUTE, 1)))
    timeline.restart()
    timeline.settle(sent(timeline), NO_ANSWER)
    for _ in range(3):
        timeline.now += 5 * MINUTE
        repeat = timeline.claim()
        assert isinstance(repeat, Repeat)
        timeline.settle(repeat, NO_ANSWER)
    told = []
    for n in range(60):
        timeline.now += 10 * SECOND
        timeline.receive(firing(f"Other{n}"))
        found = timeline.claim()
        if isinstance(found, Repeat):
            break
        if isinstance(found, Claimed):
            told.append(found)
            timeline.settle(timeline.fix(found))
    assert isinstance(found, Repeat)
    assert 0 < len(told) < 4


def test_a_partial_mail_is_over_when_its_channel_becomes_another_kind(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    mail = timeline.fix(claimed(timeline), b"mail", ("a@example.com", "b@example.com"))
    timeline.settle(mail, answers={"a@example.com": (Answer.ACCEPTED, 250)})
    timeline.reload(policy(channel(kind="slack")))
    timeline.now += HOUR
    assert timeline.claim() == Rest(None)
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}


def test_a_repeat_that_surely_failed_gives_its_token_back(timeline: Timeline) -> None:
    timeline.settle(sent(timeline), NO_ANSWER)
    level = timeline.books().channels["ops"].bucket.level
    timeline.now += SECOND
    repeat = timeline.claim()
    assert isinstance(repeat, Repeat)
    timeline.settle(repeat, REFUSED)
    assert timeline.books().channels["ops"].bucket.level >= level


def test_a_reminder_that_dissolves_after_its_alert_ended_tells_nothing_where_ends_are_not_wanted(
    timeline: Timeline,
) -> None:
    timeline.reload(policy(channel(send_resolved=False)))
    timeline.settle(sent(timeline))
    timeline.now += 4 * HOUR
    timeline.receive(firing(pod="a"))
    timeline.now += 10 * SECOND
    reminder = timeline.fix(claimed(timeline))
    timeline.receive(resolved(pod="a", ends_at=timeline.now))
    timeline.settle(reminder, REFUSED)
    timeline.now += HOUR
    assert isinstance(timeline.claim(), Rest)
    assert timeline.ledger() == {"accepted": 3, "delivered": 1, "unannounced": 1, "superseded": 1}


def test_a_resolve_on_its_way_that_dissolves_after_a_refire_is_superseded_by_it(timeline: Timeline) -> None:
    timeline.settle(sent(timeline))
    timeline.now += 5 * MINUTE
    timeline.receive(resolved(pod="a", ends_at=timeline.now))
    timeline.now += 10 * SECOND
    resolve = timeline.fix(claimed(timeline))
    timeline.receive(firing(pod="a", starts_at=timeline.now + 1))
    timeline.settle(resolve, REFUSED)
    timeline.now += MINUTE
    content = claimed(timeline).content
    assert (content.firing, content.resolved) == (1, 0)


def test_the_end_of_a_later_life_ends_what_was_owed_of_an_earlier_one(timeline: Timeline) -> None:
    for _ in range(2):  # the resolve between the two was lost
        timeline.receive(firing(starts_at=timeline.now))
        timeline.now += 10 * SECOND
        assert isinstance(timeline.send(), Content)
        timeline.now += 10 * MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 10 * SECOND
    assert isinstance(timeline.send(), Content)
    timeline.now += 10 * MINUTE
    timeline.receive(firing(starts_at=timeline.now))
    timeline.now += SECOND
    timeline.receive(resolved(starts_at=timeline.now - SECOND, ends_at=timeline.now))
    timeline.now += 10 * SECOND
    assert isinstance(timeline.claim(), Rest), "resolved within group_wait: nobody was told of it"


def test_a_life_that_nobody_was_told_of_hands_on_what_it_owed(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    assert isinstance(timeline.send(), Content)
    timeline.now += 10 * MINUTE
    timeline.receive(firing(starts_at=timeline.now))  # the resolve between was lost
    timeline.now += 10 * SECOND
    under_way = timeline.fix(claimed(timeline))
    timeline.now += 10 * MINUTE
    timeline.receive(firing(starts_at=timeline.now))  # and so was this one
    timeline.settle(under_way, REFUSED)
    timeline.now += MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 10 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert [line.told for line in content.lines] == [Told.RESOLVED], "people believe since the first life that it fires"


def test_what_comes_back_from_an_attempt_in_vain_and_is_over_by_then_does_not_fire(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    under_way = timeline.fix(claimed(timeline))
    other = channel("other", alias="elsewhere")
    timeline.reload(policy(channel(), other))
    timeline.now += 10 * MINUTE
    timeline.receive(firing(starts_at=timeline.now), to="other")  # the resolve between was lost
    timeline.receive(resolved(ends_at=timeline.now + 1), to="other")
    timeline.settle(under_way, REFUSED)
    timeline.now += 10 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert [line.told for line in content.lines] == [Told.FIRED_AND_RESOLVED]


def test_an_attempt_that_urgent_news_brings_forward_makes_the_rest_no_longer(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    begun = until = timeline.now
    for _ in range(6):
        begun = timeline.now = until
        timeline.settle(timeline.fix(claimed(timeline)), REFUSED)
        rest = timeline.claim()
        assert isinstance(rest, Rest)
        until = rest.until or 0
    for n in range(5):
        timeline.now += 2 * SECOND
        timeline.receive(firing(f"Urgent{n}", severity="critical"))
        timeline.settle(timeline.fix(claimed(timeline)), REFUSED)
    assert timeline.claim() == Rest(until)
    timeline.now = until
    timeline.settle(timeline.fix(claimed(timeline)), REFUSED)
    rest = timeline.claim()
    assert isinstance(rest, Rest)
    assert rest.until == until + 2 * (until - begun), "and the next one is as long as if there had been no urgent news"


def test_urgent_news_alone_mentions_people_each_once_and_by_its_severity(timeline: Timeline) -> None:
    timeline.reload(policy(channel(mentions={"critical": "<!here>", "warning": "<@U1>"})))
    timeline.receive(*(firing(pod=pod, severity="critical") for pod in ("a", "b")), firing(pod="c", severity="warning"))
    assert claimed(timeline).content.mentions == ("<!here>",)


def test_a_reminder_of_urgent_alerts_mentions_nobody(timeline: Timeline) -> None:
    timeline.reload(policy(channel(mentions={"critical": "<!here>"})))
    timeline.receive(firing(pod="a", severity="critical"))
    first = timeline.send()
    assert isinstance(first, Content)
    assert first.mentions == ("<!here>",)
    timeline.now += 4 * HOUR
    timeline.receive(firing(pod="a", severity="critical"))
    timeline.now += 10 * SECOND
    reminder = claimed(timeline).content
    assert (reminder.reason, reminder.mentions) == (Reason.REPEAT, ())
