"""A naive model of what channels may be told, made from the documents alone: it imports nothing of the receiver.

It is fed with what goes in, what providers are given, and what the rows give up. Of an alert of which a channel has
missed an event, being removed or not taking it then, it asks less there.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LOST_RESOLVE_AFTER = 120_000


def name_of(labels: Mapping[str, str]) -> str:
    """What an alert is known by: its labels without the ignored one."""
    return json.dumps({name: value for name, value in labels.items() if name != "prometheus_replica"}, sort_keys=True)


def verdict(channel: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """A channel's answer to an alert."""
    if labels["alertname"] not in channel["alertnames"]:
        return "unmatched"
    return "taken" if labels["severity"] in channel["severities"] else "filtered"


def group_of(channel: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The values that place an alert in its group."""
    by = channel["group_by"]
    return (name_of(labels),) if by is None else tuple(labels.get(name, "") for name in by)


class Oracle:
    """What is true of each alert, and what was told of it. ``time`` goes on with the clock ``now``, and never back."""

    def __init__(self, channels: Mapping[str, Mapping[str, Any]], now: int, reorder_window: int) -> None:
        """Know of nothing yet."""
        self.channels, self.known = dict(channels), dict(channels)
        self.now, self.time, self.step, self.unmuted_at, self.reorder_window = now, 0, 0, 0, reorder_window
        self.lives: dict[str, dict[str, Any]] = {}  # by alert, the latest in effect; ``n`` numbers them
        self.held: dict[str, dict[str, int]] = {}  # by alert, a firing that may be out of order
        self.events, self.accepted, self.delivered = Counter[str](), Counter[str](), Counter[str]()
        self.missed, self.regrouped = set[tuple[str, str]](), set[str]()
        # By (channel, alert), for the latest life that it heard of: which, at which step, since when it is news.
        self.heard: dict[tuple[str, str], dict[str, int]] = {}
        self.ended: dict[tuple[str, str], dict[str, int]] = {}  # and how long the news had waited by then
        self.lost, self.muted = dict[tuple[str, str], int](), dict[tuple[str, str], int]()  # at which step
        self.mutes: dict[int, dict[str, Any]] = {}
        self.messages: dict[str, dict[str, Any]] = {}  # by uid
        self.fixed: dict[str, bytes] = {}  # the bytes of messages that a provider is given or may have
        self.told: dict[tuple[str, str], list[tuple[int, str, int, int]]] = defaultdict(list)
        self.taken_at: dict[str, list[int]] = defaultdict(list)  # what providers took, or may have taken
        self.cooling: dict[tuple[str, Any, bool], int] = {}  # by (channel, group, urgent), when it was last told

    def pass_time(self, milliseconds: int) -> None:
        """Time passes; where it is negative, the clock alone steps back."""
        self.now += milliseconds
        self.time += max(0, milliseconds)

    def receive(self, body: Iterable[Mapping[str, Any]], url: str) -> None:
        """A notification is accepted."""
        events: dict[tuple[str, str], Mapping[str, Any]] = {}
        for event in body:
            events.setdefault((name_of(event["labels"]), event["status"]), event)
        for (alert, status), event in events.items():
            verdicts = {name: verdict(channel, event["labels"]) for name, channel in self.channels.items()}
            takers = [name for name in verdicts if verdicts[name] == "taken"]
            fate = "taken" if takers else "filtered" if "filtered" in verdicts.values() else "unrouted"
            self.events.update([status, fate])
            self.accepted.update(takers)
            self.missed |= {(name, alert) for name in self.known.keys() - set(takers)}
            if status == "firing":
                self._fires(alert, event["start"], url)
                n = (self.lives[alert]["n"] if alert in self.lives else 0) + (alert in self.held)
                for key in ((name, alert) for name in takers):
                    first_at = self.heard[key]["at"] if key in self.heard and self.heard[key]["n"] == n else self.now
                    self.heard[key] = {"n": n, "step": self.step, "at": first_at}
            elif (alert, "firing") not in events:
                self._ends(alert, event["end"] or self.now, url, takers)

    def _fires(self, alert: str, start: int, url: str) -> None:
        life = self.lives.get(alert)
        if life is None or start > (life["end"] or max(life["start"], life["seen"]) + LOST_RESOLVE_AFTER):
            self._open(alert, start, self.now)
        elif life["end"] is None:
            life["seen"] = self.now
        elif url == life["by"]:
            self._open(alert, life["end"], self.now)
        else:
            self.held.setdefault(alert, {"until": self.now + self.reorder_window})["seen"] = self.now

    def _ends(self, alert: str, end: int, url: str, takers: Sequence[str]) -> None:
        life = self.lives.get(alert)
        if life is None or (life["end"] is None and end <= life["start"]):
            return
        self.held.pop(alert, None)
        if life["end"] is None:
            life.update(end=min(end, self.now), by=url)
        for key in ((name, alert) for name in takers if (name, alert) in self.heard):
            if self.ended.get(key, {"n": 0})["n"] != life["n"]:
                waited = self.now - max(self.heard[key]["at"], self.unmuted_at)
                self.ended[key] = {**self.heard[key], "n": life["n"], "ended": self.step, "waited": waited}

    def _open(self, alert: str, start: int, seen: int) -> None:
        self.held.pop(alert, None)
        n = self.lives[alert]["n"] + 1 if alert in self.lives else 1
        self.lives[alert] = {"n": n, "start": start, "seen": seen, "end": None}
        for (_, heard_of), heard in self.heard.items():
            if (heard_of, heard["n"]) == (alert, n):
                heard["at"] = self.now

    def sweep(self) -> None:
        """What time alone brings about: held firings open, mutes are over."""
        for alert, firing in list(self.held.items()):
            firing["until"] = min(firing["until"], self.now + self.reorder_window)
            if firing["until"] <= self.now:
                self._open(alert, self.lives[alert]["end"], firing["seen"])
        for id_ in [id_ for id_, mute in self.mutes.items() if mute["until"] <= self.now]:
            self.unmute(id_)

    def unmute(self, id_: int) -> None:
        """What a mute held is news from now on."""
        if self.mutes.pop(id_, None):
            self.unmuted_at = self.now

    def reload(self, channels: Mapping[str, Mapping[str, Any]]) -> None:
        """Other settings take effect; what cools down is not known where groups have changed."""
        both = self.channels.keys() & channels.keys()
        self.regrouped |= {name for name in both if channels[name]["group_by"] != self.channels[name]["group_by"]}
        self.channels, self.known = dict(channels), self.known | dict(channels)

    def compose(self, channel: str, uid: str, lines: Sequence[tuple[Mapping[str, str], str]]) -> None:
        """A message is made: its lines are true, are news, and wanted; its groups have cooled down."""
        settings, said, groups, urgent = self.channels[channel], {}, set(), set()
        for labels, line in lines:
            alert, opens = name_of(labels), self._judge_line(channel, labels, line)
            assert (channel, alert) not in said, "each alert has one line in a message"
            said[channel, alert] = line, self.lives[alert]["n"]
            groups.add(group := group_of(settings, labels))
            urgent |= {group} if opens and labels["severity"] in settings["urgent"] else set()
        for group in () if channel in self.regrouped else groups:
            wait = settings["urgent_interval" if group in urgent else "group_interval"]
            since = self.cooling.get((channel, group, group in urgent))
            assert since is None or self.time - since >= wait, f"the group {group} of {channel} still cools down"
        told = {(channel, group, False) for group in groups} | {(channel, group, True) for group in urgent}
        self.messages[uid] = {"channel": channel, "nth": len(self.messages), "lines": said, "cooling": told}

    def _judge_line(self, channel: str, labels: Mapping[str, str], line: str) -> bool:
        """Whether it says for the first time that the alert fires."""
        alert, settings = name_of(labels), self.channels[channel]
        life, told = self.lives[alert], max(self.told[channel, alert], default=(0, "", 0, 0))
        what = f"{channel} is told that {alert} is {line}, told before: {told}"
        assert verdict(settings, labels) == "taken", what
        mutes = [mute for mute in self.mutes.values() if mute["from"] <= self.now < mute["until"]]
        assert not any(m["channel"] in (None, channel) and m["alertname"] == labels["alertname"] for m in mutes), what
        assert line != "resolved" or settings["send_resolved"], what
        if told[1:3] == (line, life["n"]):
            assert self.time - told[3] >= settings["repeat_interval"] - settings["group_interval"], what
        if (channel, alert) not in self.missed:
            assert (line == "firing") is (life["end"] is None), what
            doubt = any((channel, alert) in self.messages[uid]["lines"] for uid in self.fixed)
            if line != "firing" and settings["send_resolved"] and not doubt:
                assert (line == "resolved") is (told[1] == "firing"), what
        return line == "firing" and told[2] != life["n"]

    def fix(self, uid: str, payload: bytes) -> None:
        """A provider is given a message: its bytes never change."""
        assert self.fixed.setdefault(uid, payload) == payload, f"{uid} goes again in other words"

    def attempted(self, uid: str, began: int, result: str) -> None:
        """The provider has ("taken"), may have ("doubt"), or has not what it was given."""
        message = self.messages[uid]
        channel, throttle = message["channel"], self.known[message["channel"]]
        if result in ("taken", "doubt"):
            self.taken_at[channel].append(began)
            for n, at in enumerate(reversed(self.taken_at[channel]), start=1):
                allowed = throttle["burst"] * throttle["per"] + throttle["messages"] * (began - at)
                assert n * throttle["per"] <= allowed, f"{channel} is sent too much"
        message["doubt"] = message.get("doubt", False) or result == "doubt"
        if result in ("taken", "rejected") or not message["doubt"]:
            del self.fixed[uid]
        if result == "taken":
            self.delivered[channel] += len(message["lines"])
            for key, (line, n) in message["lines"].items():
                self.told[key].append((message["nth"], line, n, self.time))
            self.cooling |= dict.fromkeys(message["cooling"], self.time)

    def judge_the_end(self) -> None:
        """Faults have cleared and nothing is pending: everybody knows how it stands."""
        for key in self.heard.keys() - self.missed:
            settings, life, heard = self.channels.get(key[0]), self.lives[key[1]], self.heard[key]
            of_this_life = [line for _, line, n, _ in self.told[key] if n == life["n"]]
            lost, what = self.lost.get(key, -1), f"{key} in the end: {life}, told {self.told[key]}"
            if settings is not None and life["end"] is None:
                assert "firing" in of_this_life or lost >= heard["step"], what
            elif settings is not None:
                ended, believed = self.ended[key], max(self.told[key], default=(0, ""))[1] == "firing"
                assert not (believed and settings["send_resolved"]) or lost >= ended["ended"], what
                brief = ended["waited"] <= settings["group_wait"]
                assert of_this_life or brief or max(lost, self.muted.get(key, -1)) >= ended["step"], what
