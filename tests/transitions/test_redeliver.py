"""What is dead is told after all when somebody asks, as new entries; those that died stay dead."""

import pytest

from receiver.core.content import Content, Incidents, Told
from receiver.core.retrying import Failure, FailureClass
from receiver.store import listing
from receiver.store.listing import Listed
from receiver.transitions.claim import Claimed, Rest
from receiver.transitions.redeliver import NotRedeliverable, redeliver
from tests.timeline import HOUR, MINUTE, SECOND, Timeline, channel, firing, policy, resolved

REFUSED = Failure(FailureClass.TRANSIENT, "connection_refused")
REJECTED = Failure(FailureClass.REJECTED, "invalid_blocks", 400)


def kill(timeline: Timeline, *alerts: str) -> str:
    """These alerts are refused for good, while others are taken: the message's id."""
    timeline.receive(*(firing("Bad", instance=instance) for instance in alerts))
    timeline.now += 10 * SECOND
    refuse(timeline)
    timeline.receive(firing("Good"))
    timeline.now += 10 * SECOND
    assert isinstance(timeline.send(), Content)
    timeline.now += 5 * MINUTE
    return refuse(timeline)


def refuse(timeline: Timeline) -> str:
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), REJECTED)
    return claimed.message.uid


def messages(timeline: Timeline, **which: str) -> list[Listed]:
    with timeline.store.read() as tx:
        return listing.messages(tx, 100, **which)


def told(timeline: Timeline) -> list[tuple[str, Told]]:
    """Everything that the channel is told now."""
    timeline.now += 3 * MINUTE
    content = timeline.send()
    return [] if not isinstance(content, Content) else [(line.labels["instance"], line.told) for line in content.lines]


def test_dead_alerts_are_told_anew_and_stay_dead_in_the_books(timeline: Timeline) -> None:
    uid = kill(timeline, "a", "b")
    assert timeline.ledger() == {"accepted": 3, "delivered": 1, "dead": 2}
    done = timeline.redeliver(uid)
    assert (done.channel, done.waiting, done.others) == ("ops", 2, 0)
    assert "ops" in done.due
    assert timeline.ledger() == {"accepted": 5, "delivered": 1, "dead": 2, "pending": 2}
    assert told(timeline) == [("a", Told.FIRING), ("b", Told.FIRING)]
    assert timeline.ledger() == {"accepted": 5, "delivered": 3, "dead": 2}
    assert timeline.books().ledger["ops", "accepted", "redelivery"] == 2


def test_what_is_over_by_then_is_told_as_fired_and_resolved(timeline: Timeline) -> None:
    uid = kill(timeline, "a", "b")
    timeline.receive(resolved("Bad", instance="a", ends_at=timeline.now))
    timeline.redeliver(uid)
    assert sorted(told(timeline)) == [("a", Told.FIRED_AND_RESOLVED), ("b", Told.FIRING)]


def test_asked_twice_nobody_is_told_twice(timeline: Timeline) -> None:
    uid = kill(timeline, "a")
    timeline.redeliver(uid)
    assert timeline.redeliver(uid).others == 1
    assert told(timeline) == [("a", Told.FIRING)]
    assert timeline.redeliver(uid).others == 1
    assert told(timeline) == []
    assert timeline.ledger()["duplicate"] == 2


def test_an_old_life_is_not_told_after_the_new_one(timeline: Timeline) -> None:
    uid = kill(timeline, "a")
    timeline.receive(resolved("Bad", instance="a", ends_at=timeline.now))
    timeline.now += MINUTE
    timeline.receive(firing("Bad", starts_at=timeline.now, instance="a"))
    assert told(timeline) == [("a", Told.FIRING)]
    done = timeline.redeliver(uid)
    assert (done.waiting, done.others) == (0, 1)
    assert told(timeline) == []
    assert timeline.ledger()["superseded"] == 1


def test_what_was_never_dead_is_not_redelivered(timeline: Timeline) -> None:
    timeline.receive(firing(instance="a"))
    assert told(timeline) == [("a", Told.FIRING)]
    [sent] = messages(timeline)
    with pytest.raises(NotRedeliverable, match="nothing that it tells is dead") as refused:
        timeline.redeliver(sent.facts["uid"])
    assert refused.value.known
    with pytest.raises(NotRedeliverable, match="no message with this id") as unknown:
        timeline.redeliver("nonsense")
    assert not unknown.value.known


def test_a_removed_channels_dead_wait_until_it_is_back(timeline: Timeline) -> None:
    uid = kill(timeline, "a")
    timeline.reload(policy(channel("other")))
    with pytest.raises(NotRedeliverable, match="its channel ops is not in the configuration"):
        timeline.redeliver(uid)
    timeline.reload(policy(channel()))
    assert timeline.redeliver(uid).waiting == 1


def test_what_died_of_age_has_a_message_to_redeliver_it_by(timeline: Timeline) -> None:
    timeline.receive(firing(instance="a"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), REFUSED)
    timeline.now += MINUTE
    timeline.receive(resolved(instance="a", ends_at=timeline.now))
    timeline.now += 24 * HOUR + MINUTE
    timeline.sweep()
    assert timeline.ledger()["dead"] == 1
    [dead] = messages(timeline, state="dead")
    assert (dead.facts["items"], dead.outcomes) == (1, {"dead": 1})
    assert timeline.redeliver(dead.facts["uid"]).waiting == 1
    assert told(timeline) == [("a", Told.FIRED_AND_RESOLVED)]


def test_messages_are_listed_newest_first_in_pages_with_their_attempts(timeline: Timeline) -> None:
    uid = kill(timeline, "a")
    newest, older, oldest = messages(timeline)
    assert [each.facts["state"] for each in (newest, older, oldest)] == ["dead", "sent", "dissolved"]
    assert newest.facts["uid"] == uid
    assert [(each["result"], each["reason"], each["code"]) for each in newest.attempts] == [
        ("failed", "invalid_blocks", 400)
    ]
    assert [each["result"] for each in older.attempts] == ["taken"]
    assert [each.facts["state"] for each in messages(timeline, before=uid)] == ["sent", "dissolved"]
    assert messages(timeline, channel="nobody") == []
    assert [each.attempts[0]["reason"] for each in messages(timeline, state="dissolved")] == ["invalid_blocks"]


def test_a_dead_letter_is_told_to_the_channels_of_notices_with_the_id_that_redelivers_it(timeline: Timeline) -> None:
    timeline.reload(policy(channel(), channel("oncall", matchers=channel().urgent[0]), notices=("oncall",)))
    uid = kill(timeline, "a", "b")
    notice = timeline.send_notice("oncall")
    assert isinstance(notice, Incidents)
    assert (notice.kind, notice.n) == ("dead_letters", 2)
    assert notice.details == (f"ops: 2 alerts (invalid blocks): Bad; message {uid}",)
    assert isinstance(timeline.send("oncall"), Rest)


def test_many_dead_alerts_are_redelivered_in_pages(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.transitions.redeliver.AT_ONCE", 2)
    uid = kill(timeline, *"abcde")
    waiting, after = [], 0
    while True:
        with timeline.store.write() as tx:
            done = redeliver(tx, uid, timeline.policy, timeline.now, after)
        waiting.append(done.waiting)
        if done.after is None:
            break
        after = done.after
    assert waiting == [2, 2, 1]
    assert len(told(timeline)) == 5
