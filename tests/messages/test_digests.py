"""What a digest says: why it comes, everything urgent, as many others as fit, and a count of the rest."""

import re
from collections import Counter

import pytest

from receiver.core.content import Content, Told
from receiver.messages import console, email, slack
from tests.messages.blocks import taken, words
from tests.messages.contents import LABELS, STORM, all_urgent, digest, line, of_group, of_many_groups

RENDERINGS = {
    "console": lambda content: console.render(content).text,
    "email": lambda content: email.render(content).text,
    "html": lambda content: email.render(content).html,
    "slack": lambda content: words(slack.render(content)),
}


def say(kind: str, content: Content) -> str:
    return RENDERINGS[kind](content)


def test_a_mail_of_a_thousand_alerts_begins_like_this() -> None:
    rendered = email.render(of_many_groups())
    assert rendered.subject == "[DIGEST: 1,000 alerts in 37 groups] DatabaseDown, DiskFull and more"
    assert rendered.text.startswith(
        "More was due than this channel may send at once, so several groups share this message.\n"
        "\n"
        "1,000 alerts (25 urgent) in 37 groups: 960 firing, 40 resolved.\n"
        "By severity: 25 × critical, 975 × warning.\n"
        "By alertname: 300 × DiskFull, 300 × PodCrashLooping, 300 × TargetDown, 25 × DatabaseDown, "
        "75 with 2 other names.\n"
        "\n"
        "2 mutes are active on this channel.\n"
        "\n"
        "Firing: DatabaseDown (critical, urgent), 25 alerts\n"
        "  namespace, instance, pod, service:\n"
        "  - prod-0, 10.1.0.0:9100, service-0-7d9f8c6b5-00000, service-0, for 8h 37m\n"
    )
    assert rendered.text.endswith(
        "… and 500 more (490 firing, 10 resolved)\n"
        "\n"
        "Labels common to all\n"
        "  cluster = eu-west-1-prod\n"
        "\n"
        "Alertmanager: http://alertmanager.example.com:9093\n"
        "\n"
        "-- \n"
        "Sent to oncall at 2026-11-21 05:30:00 UTC · message 01ABC\n"
    )


def test_a_mail_counts_every_alert_once() -> None:
    told = of_many_groups()
    text = email.render(told).text
    rows = len(re.findall(r"(?m)^  - ", text))
    more = sum(int(amount) for amount in re.findall(r"(?m)^  … and (\d+) more$", text))
    assert rows >= 400
    assert rows + more == len(told.lines)


@pytest.mark.parametrize("kind", RENDERINGS)
def test_every_kind_of_alert_has_rows_and_urgent_ones_come_first(kind: str) -> None:
    said = say(kind, of_many_groups())
    headings = re.findall(r"\w[\w ]+: \w+ \(\w+(?:, urgent)?\), \d+ alerts", said)
    assert headings == [
        "Firing: DatabaseDown (critical, urgent), 25 alerts",
        "Firing: DiskFull (warning), 104 alerts",
        "Firing: PodCrashLooping (warning), 104 alerts",
        "Firing: TargetDown (warning), 104 alerts",
        "Firing: HighErrorRate (warning), 103 alerts",
        "Still firing: CertificateExpires (warning), 30 alerts",
        "Resolved: DiskFull (warning), 30 alerts",
    ]
    assert "2 mutes are active on this channel." in said


@pytest.mark.parametrize("kind", RENDERINGS)
def test_a_storm_of_one_kind_hides_no_other(kind: str) -> None:
    others = [line(labels=LABELS | {"alertname": f"Other{number}"}) for number in range(8)]
    said = say(kind, digest(*[of_group(number) for number in range(492)], *others))
    for number in range(8):
        assert f"Firing: Other{number} (warning)" in said


@pytest.mark.parametrize("kind", RENDERINGS)
def test_every_row_of_what_still_fires_says_when_it_was_confirmed(kind: str) -> None:
    still = [of_group(number, reminder=True) for number in range(15)]
    unmuted = [of_group(number, after_mute=True) for number in range(15, 30)]
    said = say(kind, digest(*still, *unmuted))
    assert "Still firing: HighErrorRate (warning), 15 alerts" in said
    assert "Still firing after mute: HighErrorRate (warning), 15 alerts" in said
    assert said.count(", last confirmed 30m 0s ago") == 30


@pytest.mark.parametrize("kind", RENDERINGS)
def test_few_alerts_are_told_in_detail(kind: str) -> None:
    several = (
        of_group(1),
        of_group(2, reminder=True),
        of_group(3, Told.RESOLVED),
        of_group(4, Told.FIRED_AND_RESOLVED),
    )
    said = say(kind, digest(*several, groups=4))
    assert said.count("High error rate on 10.1.0.7:9100") == 4
    assert "By alertname" not in said
    assert "4 alerts in 4 groups: 2 firing, 1 resolved, 1 fired and resolved." in said


@pytest.mark.parametrize("kind", RENDERINGS)
def test_few_urgent_alerts_are_told_in_detail_and_the_others_in_rows(kind: str) -> None:
    urgent = [of_group(number, urgent=True, name="DatabaseDown") for number in range(2)]
    said = say(kind, digest(*urgent, *[of_group(number) for number in range(2, 40)]))
    assert said.count("High error rate on 10.1.0.7:9100") == 2
    assert "Firing: HighErrorRate (warning), 38 alerts" in said


@pytest.mark.parametrize("kind", RENDERINGS)
def test_what_a_kind_shares_is_said_once(kind: str) -> None:
    first = [of_group(number, labels=LABELS | {"pod": f"pod-{number}", "team": "shop"}) for number in range(9)]
    second = [of_group(number, labels=LABELS | {"alertname": "B", "pod": f"b-{number}"}) for number in range(9)]
    said = say(kind, digest(*first, *second))
    assert said.count("team=shop") == 1
    assert "pod-8, for " in said
    assert len(re.findall("eu-west-1-prod", said)) == 1


def test_rows_name_their_labels_where_these_are_not_the_same() -> None:
    odd = line(labels={"alertname": "HighErrorRate", "node": "n1"})
    empty = line(labels={"alertname": "HighErrorRate", "pod": "", "node": "n2"})
    broken = line(labels={"alertname": "HighErrorRate", "pod": "7"}, defect="labels.pod: expected text")
    text = email.render(digest(*[odd, empty, broken] * 4)).text
    assert "  - node=n1, for 8h 37m\n" in text
    assert "  - node=n2, pod=, for 8h 37m\n" in text
    assert "  - pod=7, for 8h 37m, could not be read as it was sent\n" in text


@pytest.mark.parametrize("render", ["email", "slack"])
def test_every_urgent_alert_is_named_where_no_row_fits(render: str) -> None:
    told = digest(*all_urgent("A" * 300), firing=10_000, urgent=600)
    said = say(render, told)
    named = {int(number) for number in re.findall(r"\b1 × (\d+)A+…", said)}
    rows = {int(number) for number in re.findall(r"Firing: (\d+)A+…", said)}
    assert named | rows == set(range(500))
    assert "9,500 not listed (100 urgent)" in said
    assert taken(slack.render(told))


def test_a_shorter_list_in_slack_shows_fewer_rows_and_counts_the_rest() -> None:
    said = words(slack.render(of_many_groups()))
    rows = Counter(line.partition(" ")[0] for line in said.splitlines())["•"]
    more = sum(int(amount) for amount in re.findall(r"(?m)^… and (\d+) more$", said))
    assert rows == 40
    assert rows + more == 500


@pytest.mark.parametrize("kind", RENDERINGS)
def test_urgent_alerts_have_their_rows_before_any_other_has_a_second_one(kind: str) -> None:
    urgent = [of_group(number, severity="critical", urgent=True, name="DatabaseDown") for number in range(33)]
    said = say(kind, digest(*urgent, *[of_group(number, name=STORM[number % 4]) for number in range(33, 500)]))
    for number in range(33):
        assert f"service-{number % 37}-7d9f8c6b5-{number:05}" in said
