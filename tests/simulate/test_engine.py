"""The virtual clock, what happens at one instant, what is told to programs."""

import json
from pathlib import Path

import pytest

from receiver.simulate import engine
from receiver.simulate.engine import Stuck
from receiver.transitions.claim import Rest
from tests.simulate.scenario import AM2, FIRING, OUTCOMES, RESOLVED, Scenario, config, firing, many, resolved


def test_a_message_is_told_with_all_that_it_settles(scenario: Scenario) -> None:
    scenario.at("1s").notify(firing("Disk1", cluster="prod"), firing("Disk2", cluster="prod", severity="error"))
    scenario.at("5m").notify(resolved("Disk1", cluster="prod"))
    lines = scenario.invoke("--output=json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "at": "2026-11-20T21:00:11Z",
            "channel": "ops",
            "kind": "group",
            "reason": "wait",
            "groups": [{"alertname": "Disk", "cluster": "prod"}],
            "alerts": [{"fingerprint": "Disk2", "status": "firing"}, {"fingerprint": "Disk1", "status": "firing"}],
            "also_firing": 0,
        },
        {
            "at": "2026-11-20T21:05:10Z",
            "channel": "ops",
            "kind": "group",
            "reason": "wait",
            "groups": [{"alertname": "Disk", "cluster": "prod"}],
            "alerts": [{"fingerprint": "Disk1", "status": "resolved"}],
            "also_firing": 1,
        },
        {"ledger": {"ops": {"accepted": 3, "delivered": 3, **dict.fromkeys(OUTCOMES[1:], 0), "pending": 0}}},
    ]


def test_milliseconds_are_told_where_there_are_any(scenario: Scenario) -> None:
    scenario.at("1ms").notify(firing("Disk1"))
    first = json.loads(scenario.invoke("--output=json").stdout.splitlines()[0])
    assert first["at"] == "2026-11-20T21:00:10.001Z"


def test_an_alert_without_a_fingerprint_has_one_of_its_own(scenario: Scenario) -> None:
    body = {"alerts": [{"status": "firing", "labels": {"alertname": name}} for name in ("Disk", "Cpu")]}
    scenario.at("0s").line(notification=body)
    told = [name for message in scenario.run().messages for name in message.tells]
    assert [len(name) for name in told] == [16, 16]
    assert len(set(told)) == 2


def test_two_runs_say_the_same_byte_for_byte(scenario: Scenario) -> None:
    scenario.at("0s").notify(*many("Disk", 40), *many("Cpu", 3, severity="critical")).outage("10m")
    scenario.at("1m").notify(*many("Disk", 20), url=AM2).restart()
    scenario.at("20m").notify(firing("Net1")).reject(1)
    scenario.at("21m").notify(firing("Swap1"))
    for output in ("--output=json", "--output=text"):
        assert scenario.invoke(output).stdout_bytes == scenario.invoke(output).stdout_bytes


def test_at_one_instant_input_comes_before_what_is_due(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("10s").notify(firing("Disk2"))
    assert scenario.run().sent() == [("10s", "wait", {"Disk1": FIRING, "Disk2": FIRING})]


def test_at_one_instant_channels_have_their_turns_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({"name": "zulu"}, {"name": "alpha"}, {"name": "mike"}))
    scenario.at("0s").notify(firing("Disk1"), firing("Cpu1"))
    ran = scenario.run()
    assert [message.channel for message in ran.messages] == ["zulu", "zulu", "alpha", "alpha", "mike", "mike"]
    assert list(ran.ledger) == ["zulu", "alpha", "mike"]


def test_a_notification_can_be_addressed_to_one_channel(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({}, {"name": "mail"}))
    scenario.at("0s").notify(firing("Disk1"), to="mail")
    assert [message.channel for message in scenario.run().messages] == ["mail"]


def test_an_outage_ends_when_its_time_has_passed_whatever_the_clock_says(scenario: Scenario) -> None:
    scenario.at("0s").outage("30s").clock("+1h")
    scenario.at("1h").notify(firing("Disk1"))
    [(at, _, _)] = scenario.run().sent()
    # Attempts 10, 11, 13, 17, 25 and 41 seconds after the beginning.
    assert at == "1h41s"


def test_what_the_provider_refuses_is_the_message_with_that_alert_and_no_other(scenario: Scenario) -> None:
    scenario.at("0s").reject(1).notify(firing("Disk1"))
    scenario.at("20s").notify(firing("Cpu1"))
    ran = scenario.run("--until=2026-11-20T21:05:00Z")
    assert ran.sent() == [("30s", "wait", {"Cpu1": FIRING})]
    assert ran.books() == {"accepted": 2, "delivered": 1, "pending": 1}


def test_a_channel_that_is_misconfigured_is_tried_rarely(scenario: Scenario) -> None:
    scenario.at("0s").outage("1m", kind="misconfigured").notify(firing("Disk1"))
    assert [at for at, _, _ in scenario.run().sent()] == ["5m10s"]


def test_nothing_happens_after_until(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("1h").notify(resolved("Disk1"))
    assert scenario.run("--until=2026-11-20T21:00:09.999Z").books() == {"accepted": 1, "pending": 1}
    assert scenario.run("--until=2026-11-20T21:00:10Z").books() == {"accepted": 1, "delivered": 1}
    assert scenario.run("--until=2026-11-20T22:00:00Z").books() == {"accepted": 2, "delivered": 1, "pending": 1}
    assert scenario.run().sent()[1] == ("1h10s", "wait", {"Disk1": RESOLVED})


def test_seven_days_after_the_last_line_it_ends_whatever_is_pending(scenario: Scenario) -> None:
    scenario.at("0s").mute("6d", 'alertname="Disk"').mute("3w", 'alertname="Cpu"')
    scenario.at("1m").notify(firing("Disk1"), firing("Cpu1"))
    ran = scenario.run()
    assert [tells for _, _, tells in ran.sent()] == [{"Disk1": FIRING}]
    assert ran.books() == {"accepted": 2, "delivered": 1, "pending": 1}
    assert "1 is still pending" in scenario.story()


def test_a_channel_that_is_no_longer_configured_keeps_its_books(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({}, {"name": "mail"}))
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("1m").reload(config({"name": "mail"}))
    ran = scenario.run()
    assert list(ran.ledger) == ["mail", "ops"]
    assert ran.books("ops") == {"accepted": 1, "delivered": 1}


def test_without_lines_there_is_nothing_but_the_books(scenario: Scenario) -> None:
    assert scenario.run().books() == {}


def test_a_wait_that_never_ends_is_a_defect_and_said_so(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "claim", lambda _tx, _name, _uid, _policy, now: Rest(now))
    with pytest.raises(Stuck, match="which is not after"):
        scenario.at("0s").notify(firing("Disk1")).run()


def test_attempts_without_end_are_a_defect_and_said_so(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    # An outage that gives no rest.
    monkeypatch.setattr("receiver.core.retrying.after", lambda *_: 0)
    monkeypatch.setattr(engine, "MOST_IN_VAIN", 50)
    with pytest.raises(Stuck, match="ops makes attempts without end"):
        scenario.at("0s").outage("1h").notify(firing("Disk1")).run()


def test_a_storm_is_told_in_a_few_lines(scenario: Scenario) -> None:
    for n in range(20):
        scenario.at(f"{n}s").notify(*(firing(f"Disk{n * 500 + i}") for i in range(500)))
    lines = scenario.story().splitlines()
    assert len(lines) < 20
    assert max(map(len, lines)) < 120
