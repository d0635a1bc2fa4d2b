"""A naive model of what channels may be told, made from the documents alone: it imports nothing of the receiver.

It is fed with what goes in, what providers are given, and what the rows give up. Of an alert of which a channel has
missed an event, being removed or not taking it then, it asks less there. Which channel tells an alert in place of
another it hears from the rows, and holds that channel to it: it is to hear the resolve, and leaves no belief behind.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LOST_RESOLVE_AFTER = 120_000
URGENT_FALLBACK_AFTER = 120_000
STUCK_AFTER = 60_000
REFUSALS_OF_A_CHANNEL = 3
NOTICE_INTERVAL = 600_000


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
        self.events, self.delivered = Counter[str](), Counter[str]()
        self.accepted = Counter[tuple[str, str]]()  # by channel and origin
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
        self.news: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)  # not told yet: step, time
        self.stepped_back_at, self.stepped_back_by, self.redelivered = -1, 0, set[tuple[str, str]]()
        # What stands in a channel's way: the channel, groups of it, messages that are under way since then.
        self.failing, self.hindered, self.refusals = set[str](), set[tuple[str, Any]](), Counter[str]()
        self.refused = set[tuple[str, Any]]()
        self.under_way: dict[str, dict[str, int]] = defaultdict(dict)
        self.stand_ins: dict[tuple[str, str], str] = {}  # by (channel, alert), in whose place
        self.copies: dict[tuple[str, str], tuple[str, int]] = {}  # to whom, of which life
        self.relieved: dict[tuple[str, str], int] = {}  # told by the fallback instead, at which step
        self.forwarded: dict[str, tuple[int, int]] = {}  # how many resolves at least and at most go to stand-ins
        self.notices, self.notice_made_at = Counter[str](), dict[str, int]()  # by kind
        self.stood_in = set[tuple[str, str]]()  # ever

    def pass_time(self, milliseconds: int) -> None:
        """Time passes; where it is negative, the clock alone steps back."""
        self.now += milliseconds
        self.time += max(0, milliseconds)
        if milliseconds < 0:
            self.stepped_back_at, self.stepped_back_by = self.time, self.stepped_back_by - milliseconds

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
            self.accepted.update((name, "webhook") for name in takers)
            stand_ins = [name for name in self.known if (name, alert) in self.stand_ins and name not in takers]
            self.missed |= {(name, alert) for name in self.known.keys() - {*takers, *stand_ins}}
            for name in takers:
                self.news[name, alert].append((self.step, self.time))
            if status == "firing":
                self._fires(alert, event["start"], url)
                n = (self.lives[alert]["n"] if alert in self.lives else 0) + (alert in self.held)
                for key in ((name, alert) for name in takers):
                    first_at = self.heard[key]["at"] if key in self.heard and self.heard[key]["n"] == n else self.now
                    self.heard[key] = {"n": n, "step": self.step, "at": first_at}
                continue
            outvoted = (alert, "firing") in events
            for name in self.channels.keys() & set(stand_ins):
                least, most = self.forwarded.get(name, (0, 0))
                self.forwarded[name] = (least + (not outvoted), most + 1)
            if not outvoted:
                self._ends(alert, event["end"] or self.now, url, [*takers, *stand_ins])

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
        settings, groups, urgent = self.channels[channel], set(), set()
        said: dict[tuple[str, str], tuple[str, int]] = {}
        for labels, line in lines:
            alert, opens = name_of(labels), self._judge_line(channel, labels, line)
            assert (channel, alert) not in said, "each alert has one line in a message"
            # That something is over while it fires is said of the life before.
            life = self.lives[alert]
            said[channel, alert] = line, life["n"] - (line != "firing" and life["end"] is None)
            groups.add(group := group_of(settings, labels))
            urgent |= {group} if opens and labels["severity"] in settings["urgent"] else set()
        for group in () if channel in self.regrouped else groups:
            wait = settings["urgent_interval" if group in urgent else "group_interval"]
            since = self.cooling.get((channel, group, group in urgent))
            assert since is None or self.time - since >= wait, f"the group {group} of {channel} still cools down"
        told = {(channel, group, False) for group in groups} | {(channel, group, True) for group in urgent}
        self._begin(channel, uid, {"lines": said, "news": len(lines), "cooling": told, "groups": groups})

    def compose_notice(self, channel: str, uid: str, kind: str) -> None:
        """A notice is made: seldom enough."""
        self._begin(channel, uid, {"lines": {}, "news": 0, "cooling": set(), "groups": set(), "notice": kind})

    def raise_notice(self, kind: str, n: int = 1) -> None:
        """Something happens that people are to be told."""
        self.notices[kind] += n

    def _begin(self, channel: str, uid: str, message: dict[str, Any]) -> None:
        message |= {"channel": channel, "nth": len(self.messages), "step": self.step, "time": self.time}
        self.messages[uid] = message
        # Of a process that is no more the message has dissolved, where its bytes were not fixed.
        under_way = {other: at for other, at in self.under_way[channel].items() if other in self.fixed}
        self.under_way[channel] = under_way | {uid: self.time}

    def _judge_line(self, channel: str, labels: Mapping[str, str], line: str) -> bool:
        """Whether it says for the first time that the alert fires."""
        alert, settings = name_of(labels), self.channels[channel]
        life, told = self.lives[alert], max(self.told[channel, alert], default=(0, "", 0, 0))
        what = f"{channel} is told that {alert} is {line}, told before: {told}"
        stands_in = (channel, alert) in self.stand_ins
        assert stands_in or (channel, alert) in self.redelivered or verdict(settings, labels) == "taken", what
        assert not self._is_muted(channel, labels), what
        send_resolved = self._wants_ends(channel, alert)
        assert line != "resolved" or send_resolved, what
        if told[1:3] == (line, life["n"]):
            assert line == "firing", what
            assert self.time - told[3] >= settings["repeat_interval"] - settings["group_interval"], what
        if (channel, alert) not in self.missed:
            # Who stands in hears of a newer life only when it is given that one too.
            late = (channel, alert) in self.stood_in and self.heard[channel, alert]["n"] < life["n"]
            behind = late and line != "firing"
            assert behind or (line == "firing") is (life["end"] is None), what
            doubt = any((channel, alert) in self.messages[uid]["lines"] for uid in self.fixed)
            if line != "firing" and send_resolved and not doubt:
                assert (line == "resolved") is (told[1] == "firing"), what
        return line == "firing" and told[2] != life["n"]

    def _is_muted(self, channel: str, labels: Mapping[str, str]) -> bool:
        mutes = [mute for mute in self.mutes.values() if mute["from"] <= self.now < mute["until"]]
        return any(m["channel"] in (None, channel) and m["alertname"] == labels["alertname"] for m in mutes)

    def _wants_ends(self, channel: str, alert: str) -> bool:
        """Whether it tells that the alert is over: in place of another channel, as that one would."""
        giver = self.stand_ins.get((channel, alert))
        return any(self.known[name]["send_resolved"] for name in (channel, giver) if name is not None)

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
            self.under_way[channel].pop(uid, None)
        self._note_failure(channel, message["groups"], result)
        if result == "taken":
            self._note_told(message)
            self.delivered[channel] += message["news"]
            for key, (line, n) in message["lines"].items():
                self.told[key].append((message["nth"], line, n, self.time))
            self.cooling |= dict.fromkeys(message["cooling"], self.time)

    def _note_failure(self, channel: str, groups: Iterable[Any], result: str) -> None:
        groups = {(channel, group) for group in groups}
        if result == "taken":
            self.failing.discard(channel)
            self.refusals[channel] = 0
            self.hindered -= groups
            self.refused -= groups
            return
        self.refusals[channel] += result == "rejected"
        if result != "rejected" or self.refusals[channel] >= REFUSALS_OF_A_CHANNEL:
            self.failing.add(channel)
        self.hindered |= groups
        self.refused |= groups if result == "rejected" else set()

    def _note_told(self, message: Mapping[str, Any]) -> None:
        for key in message["lines"]:
            self.news[key] = [each for each in self.news[key] if each[0] > message["step"]]
        if "notice" in message:
            before = self.notice_made_at.get(message["notice"])
            seldom = before is None or message["time"] - before >= NOTICE_INTERVAL
            assert seldom, f"too many notices of {message}"
            self.notice_made_at[message["notice"]] = message["time"]

    def note(self, moved: Any, cause: str, told_of: bool) -> None:
        """The rows have moved: each copy has its cause, each end its reason, and of what is dead somebody is told."""
        copied = Counter((to, "fallback") for _, to, _, _ in moved.copies)
        given = Counter({key: n for key, n in moved.accepted.items() if key[1] == "fallback"})
        if cause == "receive":
            for name in self.known:
                least, most = self.forwarded.pop(name, (0, 0))
                assert least <= given[name, "fallback"] <= most, f"{name} hears of what it told for others"
        else:
            assert given == copied, "each copy is of something new, and has its own place in the books"
            assert not given or cause in ("sweep", "rejected"), cause
            for giver, to, labels, latest in moved.copies:
                self._copied(giver, to, json.loads(labels), latest, cause, moved.stand_ins)
        self.accepted.update(given)
        self.stand_ins = {(name, name_of(json.loads(labels))): of for (name, labels), of in moved.stand_ins.items()}
        for channel, labels, outcome in moved.given_up:
            self._gave_up(channel, name_of(json.loads(labels)), outcome, cause)
        if told_of:
            dead = sum(n for (*_, outcome), n in moved.given_up.items() if outcome == "dead")
            self.raise_notice("dead_letters", dead)

    def _copied(
        self, giver: str, to: str, labels: Mapping[str, str], latest: bool, cause: str, stand_ins: Mapping[Any, str]
    ) -> None:
        """The fallback is given what its channel has not got through for long enough."""
        settings, alert = self.known[giver], name_of(labels)
        life, news = self.lives[alert], self.news[giver, alert]
        what = f"{giver} gives {alert} to {to}, {news} at {self.time}: {life}"
        assert settings["fallback"] == to, what
        if cause == "sweep":
            self._judge_patience(giver, labels, what)
        self.copies[giver, alert] = to, life["n"]
        if not latest:
            return  # the newer one is news in its own right
        own, at = self.heard.get((to, alert)), self.heard.get((giver, alert), {"at": self.now})["at"]
        stands_in = any(name == to and name_of(json.loads(each)) == alert for name, each in stand_ins)
        if own is None or own["n"] != life["n"]:
            assert stands_in or verdict(self.known[to], labels) == "taken", what
            own = {"n": life["n"], "at": at}
        self.heard[to, alert] = own | {"step": self.step}
        if stands_in:
            self.stood_in.add((to, alert))
            self.missed.discard((to, alert))
        if life["end"] is not None:
            self.ended[to, alert] = self.heard[to, alert] | {"ended": self.step, "waited": self.time}

    def _judge_patience(self, giver: str, labels: Mapping[str, str], what: str) -> None:
        settings, alert = self.known[giver], name_of(labels)
        group = (giver, group_of(settings, labels))
        under_way = any(self.time - at >= STUCK_AFTER for at in self.under_way[giver].values())
        in_doubt = any(group[1] in self.messages[uid]["groups"] for uid in self.under_way[giver])
        stuck = giver in self.failing or under_way or in_doubt or group in self.hindered or giver in self.regrouped
        assert stuck, f"{what}, although nothing stands in its way"
        after = settings["fallback_after"]
        if labels["severity"] in settings["urgent"]:
            after = min(after, URGENT_FALLBACK_AFTER)
        first = min((at for _, at in self.news[giver, alert]), default=self.time)
        # A clock that steps back may bring it forward by as much, for what came before or while it was behind.
        assert self.time - first >= after - self.stepped_back_by or first <= self.stepped_back_at, f"{what}, too early"
        assert not self._is_muted(giver, labels), f"{what}, although it is muted"

    def _gave_up(self, channel: str, alert: str, outcome: str, cause: str) -> None:
        key, what = (channel, alert), f"{alert} ends {outcome} on {channel} by {cause}"
        if outcome == "muted":
            self.muted[key] = self.step
        elif outcome != "failed_over":
            assert outcome != "dead" or self.known[channel]["fallback"] is None, what
            self.lost[key] = self.step
        else:
            self.relieved[key] = self.step
            assert key in self.copies, f"{what}, and was given to nobody"
            to, n = self.copies[key]
            if cause not in ("rejected", "sweep"):
                assert any(life >= n for *_, life, _ in self.told[to, alert]), f"{what}, and {to} has not told it"

    def redeliver(self, dead: Iterable[tuple[str, str, bool]]) -> None:
        """What was dead is to be told after all."""
        for channel, labels, latest in dead:
            key = channel, name_of(json.loads(labels))
            self.accepted[channel, "redelivery"] += 1
            self.redelivered.add(key)
            self.news[key].append((self.step, self.time))
            if latest:
                self.lost.pop(key, None)

    def judge_the_end(self) -> None:
        """Faults have cleared and nothing is pending: everybody knows how it stands."""
        for key in self.heard.keys() - self.missed:
            settings, life, heard = self.channels.get(key[0]), self.lives[key[1]], self.heard[key]
            of_this_life = [line for _, line, n, _ in self.told[key] if n == life["n"]]
            lost = max(self.lost.get(key, -1), self.relieved.get(key, -1))
            what = f"{key} in the end: {life}, told {self.told[key]}"
            # Who stands in hears of a newer life only when it is given that one too.
            behind = heard["n"] < life["n"] and key in self.stood_in
            if settings is not None and life["end"] is None:
                assert behind or "firing" in of_this_life or lost >= heard["step"], what
            elif settings is not None:
                ended, believed = self.ended[key], max(self.told[key], default=(0, ""))[1] == "firing"
                assert not (believed and self._wants_ends(*key)) or lost >= ended["ended"], what
                brief = ended["waited"] <= settings["group_wait"]
                assert behind or of_this_life or brief or max(lost, self.muted.get(key, -1)) >= ended["step"], what
