"""Why a message comes, and what its alerts are as far as that is known."""

import pytest

from receiver.core.content import Failover, Told, Totals
from receiver.messages import sentences
from tests.messages.contents import LABELS, NOW, content, digest, line

LIMIT = 120


@pytest.mark.parametrize(
    ("reason", "group", "several"),
    [
        ("wait", "", "Several groups were due at once and share this message."),
        ("urgent", "", "Several groups were due at once and share this message."),
        (
            "throttled",
            "Delayed: more was due than this channel may send at once.",
            "More was due than this channel may send at once, so several groups share this message.",
        ),
        (
            "recovered",
            "This may come late: sending to this channel was failing until now.",
            "Sending to this channel was failing until now, so what is due comes together, and some of it late.",
        ),
        (
            "catch_up",
            "This may come late: alert-receiver was down for a while.",
            "alert-receiver was down for a while, so what is due comes together, and some of it late.",
        ),
    ],
)
def test_why_a_message_comes_fits_its_kind(reason: str, group: str, several: str) -> None:
    assert sentences.reason(content(line(), reason=reason)) == group
    assert sentences.reason(digest(line(), reason=reason)) == several


def test_what_is_told_in_place_of_other_channels_names_them_and_why_they_could_not() -> None:
    ops = Failover("ops", "slack", 1, "connection_refused", since=0)
    told_here = "because ops could not deliver: Slack's address refused the connection, since 1970-01-01 00:00:00 UTC."
    assert sentences.reason(content(line(), reason="failover", failovers=(ops,))) == f"Told here {told_here}"
    others = content(line(), line(), reason="failover", failovers=(ops,))
    assert sentences.reason(others) == f"1 of these is told here {told_here}"
    hostile = Failover("a\nb", "console", 1, "")
    several = content(line(), line(), reason="throttled", failovers=(ops, hostile))
    assert sentences.reason(several).startswith(
        f"1 of these is told here {told_here} 1 of these is told here because a b "
    )


def test_a_message_of_nothing_but_reminders_is_a_reminder() -> None:
    reminder = line(reminder=True)
    assert sentences.reason(content(reminder, reminder, reason="repeat")) == "Reminder: still firing."
    assert sentences.reason(content(reminder, reason="throttled")).startswith("Reminder: still firing. Delayed: ")
    assert sentences.reason(content(reminder, firing=600, reason="repeat")) == "Reminder: still firing."


def test_a_message_with_other_news_is_no_reminder() -> None:
    reminder = line(reminder=True)
    assert sentences.reason(content(reminder, line(), reason="repeat")) == ""
    assert sentences.reason(content(reminder, firing=600, reason="wait")) == ""


def test_the_rest_is_counted_as_far_as_it_is_known() -> None:
    critical = line(severity="critical")
    disk = line(labels=LABELS | {"alertname": "DiskFull"})
    resolved = line(Told.RESOLVED)
    told = content(critical, critical, disk, resolved)
    assert sentences.rest(told, (), LIMIT) == ""
    assert sentences.rest(told, told.lines[1:], LIMIT) == (
        "and 3 more (2 firing, 1 resolved): "
        "1 × HighErrorRate (critical), 1 × DiskFull (warning), 1 × HighErrorRate (warning)"
    )
    storm = content(*[critical] * 4, firing=9_480)
    assert sentences.rest(storm, storm.lines[1:], LIMIT) == (
        "and 9,479 more (9,479 firing): 3 × HighErrorRate (critical), 9,476 not listed"
    )
    assert sentences.rest(storm, (), LIMIT) == "and 9,476 more (9,476 firing)"


def test_of_many_kinds_five_are_named() -> None:
    told = content(*[line(labels={"alertname": f"A{n}"}) for n in range(9)])
    assert sentences.rest(told, told.lines, LIMIT).endswith("1 × A4 (warning), 4 of other kinds")


def test_of_the_rest_of_a_digest_every_urgent_kind_is_named_first() -> None:
    urgent = [line(labels={"alertname": f"U{n}"}, urgent=True) for n in range(9)]
    told = digest(*urgent, *[line()] * 20)
    named = ", ".join(f"1 × U{n} (warning, urgent)" for n in range(9))
    assert sentences.rest(told, told.lines, LIMIT) == (f"29 alerts (29 firing): {named}, 20 × HighErrorRate (warning)")


def test_a_digest_counts_its_alerts_by_severity_and_name() -> None:
    names = [line(labels={"alertname": f"A{n}"}) for n in range(9)]
    told = digest(line(severity="critical", urgent=True), *[line()] * 3, *names)
    assert sentences.summary(told) == "13 alerts (1 urgent) in 37 groups: 13 firing."
    assert sentences.totals(told) == (
        "By severity: 1 × critical, 12 × warning.",
        "By alertname: 4 × HighErrorRate, 1 × A0, 1 × A1, 1 × A2, 1 × A3, 1 × A4, 1 × A5, 1 × A6, "
        "2 with 2 other names.",
    )


def test_the_sums_of_a_digest_are_of_all_its_alerts_not_of_those_at_hand() -> None:
    totals = Totals((("critical", 2), ("warning", 4_010)), (("HighErrorRate", 4_000), ("", 9)), other_names=1)
    told = digest(line(), firing=4_000, resolved=12, urgent=3, totals=totals)
    assert sentences.totals(told) == (
        "By severity: 2 × critical, 4,010 × warning.",
        "By alertname: 4,000 × HighErrorRate, 9 × (no alertname), 3 with 1 other name.",
    )


def test_a_digest_alone_tells_of_mutes() -> None:
    assert sentences.mutes(digest(line(), mutes=1)) == "1 mute is active on this channel."
    assert sentences.mutes(digest(line(), mutes=2)) == "2 mutes are active on this channel."
    assert sentences.mutes(digest(line())) == sentences.mutes(content(line(), mutes=2)) == ""


def test_the_others_that_still_fire_were_confirmed_since_a_known_time() -> None:
    assert sentences.also_heading(content(line(), also_firing=1, also_confirmed_at=NOW)) == (
        "1 other alert of this group is still firing, last confirmed at 2026-11-21 05:30:00 UTC"
    )
    assert sentences.also_heading(digest(line(), also_firing=900, also_confirmed_at=NOW)) == (
        "900 other alerts of these groups are still firing, each last confirmed at 2026-11-21 05:30:00 UTC or later"
    )


def test_the_line_that_a_list_of_mails_shows_says_how_severe_it_is_since_when_and_what_it_is() -> None:
    summary = "High error rate on 10.1.0.7:9100 (checkout-api)"
    assert sentences.preview(content(line())) == f"Warning, firing for 8h 37m: {summary}"
    urgent = line(severity="critical", urgent=True, annotations={"description": "Two\nlines."})
    assert sentences.preview(content(urgent, line())) == "Critical, urgent, firing for 8h 37m: Two lines."
    assert sentences.preview(content(line(Told.RESOLVED))) == f"Warning, resolved after 1h 30m: {summary}"
    assert sentences.preview(content(line(Told.RESOLVED, ends_at=None, annotations={}))) == (
        "Warning, resolved, end unknown"
    )
    assert sentences.preview(digest(line())) == "1 alert in 37 groups: 1 firing."
    assert len(sentences.preview(content(line(annotations={"summary": "x" * 10_000})))) == 200
