"""The timeline reads like a story: what came in, what went out and why, what became of the rest."""

from pathlib import Path

from tests.simulate.scenario import AM2, Scenario, config, firing, many, resolved

STORY = """\
2026-11-20 UTC
21:00:00      +0s  → am-1:9093: 2 firing · HighErrorRate — ops: 2 to tell
21:00:01      +1s  → am-2:9093: 2 firing · HighErrorRate — ops: 2 known already
21:00:10     +10s  ← ops  [FIRING:2] HighErrorRate (prod)  (group_wait is over)
21:00:30     +30s  → am-1:9093: 1 firing · Blip — ops: 1 to tell
21:00:35     +35s  → am-1:9093: 1 resolved · Blip — ops: 1 superseded, 1 unannounced (resolved within group_wait)
21:03:00   +3m 0s  → am-1:9093: 1 firing · DiskFull — ops, oncall: 1 to tell
                   ← ops  [FIRING:1] DiskFull (prod)  (urgent)
                   ← oncall  [FIRING:1] DiskFull (prod)  (urgent)
21:03:30  +3m 30s  ↻ restart
21:04:00   +4m 0s  ✗ ops can't be reached for 2h, until 23:04:00
                   → am-1:9093: 1 resolved · HighErrorRate — ops: 1 to tell
21:04:10  +4m 10s  ✗ ops: delivery fails (outage), 32 times until 23:02:41
21:05:00   +5m 0s  → am-1:9093: 500 firing · Storm, 120 cut by max_alerts — ops: 500 to tell
23:07:41   +2h 7m  ← ops  [DIGEST: 501 alerts in 2 groups] Storm and more
                     (the channel is back, 500 firing, 1 resolved, 1 more still firing, 120 cut by max_alerts)
23:30:00  +2h 30m  ‖ mute alertname="HighErrorRate" until 2026-11-21 00:30:00 (deploying)
23:31:00  +2h 31m  → am-1:9093: 1 resolved · HighErrorRate — ops: 1 to tell
23:31:10  +2h 31m  · ops: 1 held by a mute
2026-11-21 UTC
00:30:00  +3h 30m  · ops: 1 no longer held
00:30:10  +3h 30m  ← ops  [RESOLVED] HighErrorRate (prod)  (group_wait is over)
01:00:00   +4h 0m  ↻ reload: mail is new; oncall is gone; ops changes (group_by)
2026-11-23 UTC
01:01:00   +4h 1m  ↻ the clock steps forward by 2d, to 2026-11-23 01:01:00

8 notifications (509 alerts) in, 5 messages out, in 4h 1m.

channel  accepted =  delivered +  duplicate +  superseded +  unannounced +  pending
ops           509 =        505 +          2 +           1 +            1 +        0
mail            0 =          0 +          0 +           0 +            0 +        0
oncall          1 =          1 +          0 +           0 +            0 +        0
"""


def test_the_story_of_a_night(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({}, {"name": "oncall", "matchers": ['severity="critical"']}))
    scenario.at("0s").notify(*many("HighErrorRate", 2, cluster="prod"))
    scenario.at("1s").notify(*many("HighErrorRate", 2, cluster="prod"), url=AM2)
    scenario.at("30s").notify(firing("Blip1")).at("35s").notify(resolved("Blip1"))
    scenario.at("3m").notify(firing("DiskFull1", severity="critical", cluster="prod"))
    scenario.at("3m30s").restart()
    scenario.at("4m").outage("2h").notify(resolved("HighErrorRate1", cluster="prod"))
    scenario.at("5m").notify(*many("Storm", 500), truncated=120)
    scenario.at("2h30m").mute("1h", 'alertname="HighErrorRate"', comment="deploying")
    scenario.at("2h31m").notify(resolved("HighErrorRate2", cluster="prod"))
    scenario.at("4h").reload(config({"group_by": []}, {"name": "mail"}))
    scenario.at("4h1m").clock("+2d")
    assert scenario.story() == STORY


def test_hostile_labels_do_not_reach_the_terminal(scenario: Scenario) -> None:
    hostile = "Disk\x1b[2J\u202e\r\nops: 9 to tell\x07"
    scenario.at("0s").notify(firing(hostile, cluster=hostile), url=f"http://{hostile}", to=hostile)
    scenario.at("1m").mute("1h", 'alertname=~".*\x1b[3]1m.+"', comment=hostile)
    story = scenario.story()
    assert all(character == "\n" or character.isprintable() for character in story)
    assert not any(line.startswith("ops: 9") for line in story.splitlines())


def test_what_no_channel_takes_is_said(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({"matchers": ['team="web"'], "min_severity": "error"}))
    scenario.at("0s").notify(firing("Disk1", team="db"), firing("Disk2", team="web", severity="info"))
    story = scenario.story()
    assert "1 told nowhere: no channel matches" in story
    assert "1 told nowhere: less than any channel's min_severity" in story


def test_what_says_the_same_again_is_told_once_with_how_often(scenario: Scenario) -> None:
    scenario.at("0s").notify(firing("Disk1"))
    for minute in range(1, 11):
        scenario.at(f"{minute}m").notify(firing("Disk1", since="0s"))
    told = [line for line in scenario.story().splitlines() if "known already" in line]
    assert told == [
        "21:01:00   +1m 0s  → am-1:9093: 1 firing · Disk, 10 times until 21:10:00 — ops: 1 known already",
    ]


def test_a_throttled_channel_is_said_to_wait_once(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, config({"throttle": {"messages": 1, "per": "1m"}}))
    for second in range(0, 100, 10):
        scenario.at(f"{second}s").notify(firing(f"Kind{second}Disk"))
    assert scenario.story().count("more is due than may be sent") == 1


def test_the_table_adds_up(scenario: Scenario) -> None:
    scenario.at("0s").notify(*many("Disk", 1_500)).at("1m").notify(*many("Disk", 1_500), url=AM2)
    head, books = scenario.story().splitlines()[-2:]
    assert head.split() == ["channel", "accepted", "=", "delivered", "+", "duplicate", "+", "pending"]
    assert books.split() == ["ops", "3,000", "=", "1,500", "+", "1,500", "+", "0"]
