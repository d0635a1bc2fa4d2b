"""What people are told, and when, in the situations that on-call engineers know.

Times are measured from the beginning. Without a word on it, there is one channel on the built-in defaults: group_wait
10s, group_interval 2m, repeat_interval 4h, six messages a minute.
"""

from pathlib import Path

import pytest

from tests.simulate.scenario import (
    AM1,
    AM2,
    FIRED_AND_RESOLVED,
    FIRING,
    RESOLVED,
    Scenario,
    config,
    firing,
    many,
    resolved,
)


def test_criticals_that_trickle_into_one_group_are_told_at_widening_intervals(scenario: Scenario) -> None:
    for n, when in enumerate(("0s", "20s", "1m10s", "3m5s", "7m", "7m10s"), 1):
        scenario.at(when).notify(firing(f"Disk{n}", severity="critical"))
    ran = scenario.run()
    # One minute after the first, then two; anew after two minutes without.
    assert ran.sent() == [
        ("0s", "urgent", {"Disk1": FIRING}),
        ("1m", "urgent", {"Disk2": FIRING}),
        ("3m", "urgent", {"Disk3": FIRING}),
        ("5m", "urgent", {"Disk4": FIRING}),
        ("7m", "urgent", {"Disk5": FIRING}),
        ("8m", "urgent", {"Disk6": FIRING}),
    ]
    assert ran.books() == {"accepted": 6, "delivered": 6}


def test_of_a_group_that_alertmanager_sends_again_only_the_new_is_told(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"), firing("Disk2"))
    scenario.at("5m").notify(firing("Disk1"), firing("Disk2"), firing("Disk3"))
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING, "Disk2": FIRING}),
        ("5m10s", "wait", {"Disk3": FIRING}),
    ]
    assert [message.also_firing for message in ran.messages] == [0, 2]
    assert ran.books() == {"accepted": 5, "delivered": 3, "duplicate": 2}


def test_flapping_that_was_told_is_told_on_as_what_is_true_when_the_cooldown_ends(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("1m").notify(resolved("Disk1"))
    scenario.at("1m30s").notify(firing("Disk1"))
    scenario.at("3m").notify(resolved("Disk1"))
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING}),
        ("2m10s", "cooldown", {"Disk1": FIRING}),
        ("4m10s", "cooldown", {"Disk1": RESOLVED}),
    ]
    assert ran.books() == {"accepted": 4, "delivered": 3, "superseded": 1}


def test_flapping_within_group_wait_is_not_told(scenario: Scenario) -> None:
    for fires, ends in (("0s", "5s"), ("20s", "25s"), ("40s", "50s")):
        scenario.at(fires).notify(firing("Disk1"))
        scenario.at(ends).notify(resolved("Disk1"))
    ran = scenario.run()
    # The last one ends at the very instant at which it would have been told.
    assert ran.sent() == []
    assert ran.books() == {"accepted": 6, "superseded": 3, "unannounced": 3}


def test_a_brief_flap_after_what_was_told_still_tells_its_end(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("1m").notify(resolved("Disk1"))
    scenario.at("1m20s").notify(firing("Disk1"))
    scenario.at("1m25s").notify(resolved("Disk1"))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("2m10s", "cooldown", {"Disk1": RESOLVED})]
    assert ran.books() == {"accepted": 4, "delivered": 2, "superseded": 2}


def test_what_fired_and_resolved_during_the_cooldown_is_told_in_one_line(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("30s").notify(firing("Disk2"))
    scenario.at("50s").notify(resolved("Disk2"))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("2m10s", "cooldown", {"Disk2": FIRED_AND_RESOLVED})]
    assert ran.books() == {"accepted": 3, "delivered": 2, "superseded": 1}


def test_a_partitioned_peer_that_hears_of_the_resolve_in_time_is_not_heard(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("5m").notify(resolved("Disk1"))
    scenario.at("6m").notify(firing("Disk1", since="0s"), url=AM2)
    scenario.at("7m").notify(resolved("Disk1", until="5m"), url=AM2)
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("5m10s", "wait", {"Disk1": RESOLVED})]
    assert ran.books() == {"accepted": 4, "delivered": 2, "stale": 1, "duplicate": 1}


def test_a_partitioned_peer_that_never_hears_of_the_resolve_reopens_after_the_reorder_window(
    scenario: Scenario,
) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("5m").notify(resolved("Disk1"))
    scenario.at("6m").notify(firing("Disk1", since="0s"), url=AM2)
    scenario.at("7m").notify(firing("Disk1"), url=AM2)
    ran = scenario.run()
    *_, (at, reason, tells) = ran.sent()
    assert (reason, tells) == ("wait", {"Disk1": FIRING})
    # Held until 8m, then it begins to wait.
    assert at in ("8m", "8m10s")
    assert ran.books() == {"accepted": 4, "delivered": 3, "duplicate": 1}


def test_prometheus_replicas_that_saw_it_begin_at_different_times_tell_of_one_alert(scenario: Scenario) -> None:
    scenario.at("20s").notify(firing("Disk1", since="0s", prometheus_replica="a"))
    scenario.at("25s").notify(firing("Disk1", since="15s", prometheus_replica="b"), url=AM2)
    scenario.at("1m").notify(
        resolved("Disk1", since="0s", prometheus_replica="a"), firing("Disk1", since="15s", prometheus_replica="b")
    )
    scenario.at("2m").notify(
        resolved("Disk1", since="0s", prometheus_replica="a"), resolved("Disk1", since="15s", prometheus_replica="b")
    )
    ran = scenario.run()
    assert ran.sent() == [("30s", "wait", {"Disk1": FIRING}), ("2m30s", "cooldown", {"Disk1": RESOLVED})]
    # The two resolves of one body are one event.
    assert ran.books() == {"accepted": 5, "delivered": 2, "duplicate": 2, "stale": 1}


def test_silenced_in_alertmanager_for_a_while_and_back_is_nothing_new(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("3h").notify(firing("Disk1"))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING})]
    assert ran.books() == {"accepted": 2, "delivered": 1, "duplicate": 1}


def test_silenced_in_alertmanager_for_longer_than_repeat_interval_is_a_reminder_when_back(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("5h").notify(firing("Disk1"))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("5h10s", "repeat", {"Disk1": FIRING})]
    assert ran.books() == {"accepted": 2, "delivered": 2}


def test_resolved_and_fired_anew_under_a_silence_is_a_new_episode(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("3h").notify(firing("Disk1", since="2h50m"))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("3h10s", "wait", {"Disk1": FIRING})]
    assert ran.books() == {"accepted": 2, "delivered": 2}


def test_when_the_resolve_was_lost_the_next_incident_a_day_later_is_told_as_new(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("24h30s").notify(firing("Disk1", since="24h"))
    scenario.at("24h5m").notify(resolved("Disk1"))
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING}),
        ("1d40s", "wait", {"Disk1": FIRING}),
        ("1d5m10s", "wait", {"Disk1": RESOLVED}),
    ]
    assert [message.also_firing for message in ran.messages] == [0, 0, 0]
    assert ran.books() == {"accepted": 3, "delivered": 3}


def test_prometheus_cut_off_and_back_with_the_original_start_fires_again_at_once(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("5m").notify(resolved("Disk1"))
    scenario.at("10m").notify(firing("Disk1", since="0s"))
    scenario.at("15m").notify(resolved("Disk1"))
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING}),
        ("5m10s", "wait", {"Disk1": RESOLVED}),
        ("10m10s", "wait", {"Disk1": FIRING}),
        ("15m10s", "wait", {"Disk1": RESOLVED}),
    ]
    assert ran.books() == {"accepted": 4, "delivered": 4}


def test_a_warning_that_a_critical_inhibits_is_still_firing_and_no_news_when_it_is_back(scenario: Scenario) -> None:
    warning, critical = {"severity": "warning"}, {"severity": "critical"}
    scenario.at("0s").notify(firing("Disk1", **warning))
    scenario.at("3m").notify(firing("Disk2", **critical))
    scenario.at("10m").notify(resolved("Disk2", **critical), firing("Disk1", **warning))
    scenario.at("20m").notify(resolved("Disk1", **warning))
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING}),
        ("3m", "urgent", {"Disk2": FIRING}),
        ("10m10s", "wait", {"Disk2": RESOLVED}),
        ("20m10s", "wait", {"Disk1": RESOLVED}),
    ]
    assert [message.also_firing for message in ran.messages] == [0, 1, 1, 0]
    assert ran.books() == {"accepted": 5, "delivered": 4, "duplicate": 1}


def test_what_max_alerts_cut_off_is_said_and_told_once_it_comes(scenario: Scenario) -> None:
    scenario.at("0s").notify(*many("Disk", 3), truncated=7)
    scenario.at("5m").notify(*many("Disk", 4), truncated=6)
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING, "Disk2": FIRING, "Disk3": FIRING}),
        ("5m10s", "wait", {"Disk4": FIRING}),
    ]
    assert ran.books() == {"accepted": 7, "delivered": 4, "duplicate": 3}
    lines = scenario.story().splitlines()
    assert [("7 cut by max_alerts" in line, "6 cut by max_alerts" in line) for line in lines if "cut by" in line] == [
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]


def test_after_two_hours_without_its_channel_one_digest_tells_what_is_true_then(scenario: Scenario) -> None:
    scenario.at("0s").outage("2h")
    scenario.at("1m").notify(firing("Disk1"))
    scenario.at("5m").notify(firing("Cpu1"))
    scenario.at("30m").notify(resolved("Cpu1"))
    scenario.at("1h").notify(firing("Net1"))
    ran = scenario.run()
    # The first attempt is at 1m10s; the tenth, 511 s later, begins the retries every five minutes.
    assert ran.sent() == [
        ("2h4m41s", "recovered", {"Disk1": FIRING, "Net1": FIRING, "Cpu1": FIRED_AND_RESOLVED}),
    ]
    [message] = ran.messages
    assert message.kind == "digest"
    assert len(message.groups) == 3
    assert ran.books() == {"accepted": 4, "delivered": 3, "superseded": 1}


def test_an_urgent_arrival_probes_a_channel_that_was_down(scenario: Scenario) -> None:
    scenario.at("0s").outage("1h")
    scenario.at("1m").notify(firing("Disk1"))
    scenario.at("1h1s").notify(firing("Cpu1", severity="critical"))
    ran = scenario.run()
    assert ran.sent() == [("1h1s", "recovered", {"Disk1": FIRING, "Cpu1": FIRING})]


def test_thirty_urgent_groups_at_once_are_four_messages_and_a_digest_of_the_rest(scenario: Scenario) -> None:
    scenario.at("0s").notify(*(firing(f"Kind{n}Disk", severity="critical") for n in range(30)))
    ran = scenario.run()
    assert [(message.at, message.kind, len(message.groups)) for message in ran.messages] == [
        *[("0s", "group", 1)] * 4,
        ("0s", "digest", 26),
    ]
    assert [message.reason for message in ran.messages[:4]] == ["urgent"] * 4
    assert ran.books() == {"accepted": 30, "delivered": 30}


def test_a_mute_over_fire_resolve_and_refire_leaves_what_still_fires_when_it_ends(scenario: Scenario) -> None:
    scenario.at("0s").mute("1h", 'alertname="Disk"')
    scenario.at("1m").notify(firing("Disk1"), firing("Cpu1"))
    scenario.at("10m").notify(resolved("Disk1"))
    scenario.at("20m").notify(firing("Disk1"))
    ran = scenario.run()
    (first, *_), (at, _, tells) = ran.sent()
    assert first == "1m10s"
    assert tells == {"Disk1": FIRING}
    assert at in ("1h", "1h10s")
    assert ran.books() == {"accepted": 4, "delivered": 2, "muted": 1, "unannounced": 1}


def test_the_resolve_of_what_was_told_before_a_mute_is_told_when_it_ends(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("5m").mute("1h", 'alertname="Disk"')
    scenario.at("10m").notify(resolved("Disk1"))
    ran = scenario.run()
    first, (at, _, tells) = ran.sent()
    assert first == ("10s", "wait", {"Disk1": FIRING})
    assert tells == {"Disk1": RESOLVED}
    assert at in ("1h5m", "1h5m10s")
    assert ran.books() == {"accepted": 2, "delivered": 2}


def test_a_mute_on_another_channel_holds_nothing_back_here(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({}, {"name": "mail"}))
    scenario.at("0s").mute("1h", 'alertname="Disk"', channels=["mail"])
    scenario.at("1m").notify(firing("Disk1"))
    scenario.at("2m").notify(resolved("Disk1"))
    ran = scenario.run()
    assert ran.sent("ops")[0] == ("1m10s", "wait", {"Disk1": FIRING})
    assert ran.sent("mail") == []
    assert ran.books("mail") == {"accepted": 2, "muted": 1, "unannounced": 1}


@pytest.mark.parametrize("when", ["5s", "10s", "30s", "1m", "2m10s", "4m"])
def test_a_restart_in_the_middle_changes_nothing(tmp_path: Path, when: str) -> None:
    def told(*, restarted: bool) -> Scenario:
        folder = tmp_path / f"{restarted}"
        folder.mkdir()
        scenario = Scenario(folder)
        scenario.at("0s").notify(firing("Disk1"), firing("Cpu1", severity="critical"))
        scenario.at("30s").notify(firing("Disk2"), resolved("Cpu1"))
        scenario.at("3m").notify(resolved("Disk1"), firing("Cpu1", severity="critical"))
        if restarted:
            scenario.at(when).restart()
            scenario.lines.sort(key=lambda line: str(line["at"]))
        return scenario

    assert told(restarted=True).run() == told(restarted=False).run()


def test_a_new_group_by_takes_along_what_waits(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"), firing("Cpu1"))
    scenario.at("5s").reload(config({"group_by": []}))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Cpu1": FIRING, "Disk1": FIRING})]
    assert ran.messages[0].groups == [{}]
    assert ran.books() == {"accepted": 2, "delivered": 2}


def test_a_new_group_by_inherits_the_cooldown(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("1m").notify(firing("Disk2"))
    scenario.at("1m30s").reload(config({"group_by": ["alertname", "team"]}))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("2m10s", "cooldown", {"Disk2": FIRING})]
    # What was told has moved, too.
    assert ran.messages[1].also_firing == 1


def test_what_a_new_configuration_no_longer_sends_here_is_withdrawn(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1", team="db"), firing("Disk2", team="web"))
    scenario.at("5s").reload(config({"matchers": ['team="web"']}))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk2": FIRING})]
    assert ran.books() == {"accepted": 2, "delivered": 1, "withdrawn": 1}


def test_without_group_by_labels_everything_is_one_group(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({"group_by": []}))
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("5s").notify(firing("Cpu1"), firing("Net1"))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING, "Cpu1": FIRING, "Net1": FIRING})]
    assert ran.messages[0].groups == [{}]


def test_a_clock_that_jumps_two_days_ahead_ends_the_wait_and_nothing_else(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("30s").notify(firing("Disk2"))
    scenario.at("40s").clock("+2d")
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("2d40s", "cooldown", {"Disk2": FIRING})]
    # By this clock, the first was last confirmed longer than expire_after ago.
    assert ran.messages[1].also_firing == 0
    assert ran.books() == {"accepted": 2, "delivered": 2}


def test_a_clock_that_falls_back_an_hour_makes_no_wait_longer_than_it_is(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("30s").notify(firing("Disk2"))
    scenario.at("40s").clock("-1h")
    scenario.at("-59m").notify(firing("Cpu1"))
    ran = scenario.run()
    assert ran.sent() == [
        ("10s", "wait", {"Disk1": FIRING}),
        ("-58m50s", "wait", {"Cpu1": FIRING}),
        # The cooldown's two minutes, counted from the step at 59m20s before.
        ("-57m20s", "cooldown", {"Disk2": FIRING}),
    ]
    assert ran.books() == {"accepted": 3, "delivered": 3}


def test_a_message_that_is_refused_while_others_are_taken_is_dead_at_its_second_refusal(scenario: Scenario) -> None:
    scenario.at("0s").reject(1)
    scenario.at("0s").notify(firing("Disk1"))
    scenario.at("1m").notify(firing("Cpu1"))
    ran = scenario.run()
    assert ran.sent() == [("1m10s", "wait", {"Cpu1": FIRING})]
    assert ran.books() == {"accepted": 2, "delivered": 1, "dead": 1}


def test_peers_that_agree_are_told_once(scenario: Scenario) -> None:
    for url, fires, ends in ((AM1, "0s", "5m"), (AM2, "15s", "5m15s")):
        scenario.at(fires).notify(firing("Disk1", since="0s"), url=url)
        scenario.at(ends).notify(resolved("Disk1", since="0s", until="5m"), url=url)
    scenario.lines.sort(key=lambda line: str(line["at"]))
    ran = scenario.run()
    assert ran.sent() == [("10s", "wait", {"Disk1": FIRING}), ("5m10s", "wait", {"Disk1": RESOLVED})]
    assert ran.books() == {"accepted": 4, "delivered": 2, "duplicate": 2}
