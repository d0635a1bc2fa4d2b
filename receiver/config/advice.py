"""What is allowed, and hardly meant: warnings to the configuration's author."""

from collections.abc import Iterator

from msgspec import UNSET

from receiver.config import durations, inherited, tokens
from receiver.config.draft import Draft
from receiver.config.patterns import compile_pattern
from receiver.config.problems import Finding, Path
from receiver.config.types import EmailChannel, SlackChannel
from receiver.core.matchers import parse


def findings(draft: Draft) -> Iterator[Finding]:
    """Everything about a draft without mistakes that its author should know."""
    if all(channel.matchers for channel in draft.channels.values()):
        yield Finding(
            ("channels",), "no channel takes every alert", "one without matchers would tell what no other takes"
        )
    for i in draft.channels:
        yield from _intervals(draft, i)
        yield from _fallback(draft, i)
        yield from _mention(draft, i)
    yield from tokens.warnings(draft)


def _intervals(draft: Draft, i: int) -> Iterator[Finding]:
    """How the intervals of the channel at place ``i`` get in each other's way, told where one of them is written."""
    settings = inherited.settings(draft.config.defaults, draft.channels[i])
    group, repeat, urgent = settings.group_interval, settings.repeat_interval, settings.urgent_interval
    expire = draft.config.expire_after
    expires = ("expire_after",) if draft.written("expire_after") else None
    if repeat >= expire and (path := _place(draft, i, "repeat_interval") or expires):
        intervals = f"repeat_interval is {durations.written(repeat)}, expire_after {durations.written(expire)}"
        yield Finding(path, f"{intervals}: an alert may lapse between two reminders", "let expire_after be the longer")
    cooldown = f"group_interval, which is {durations.written(group)}"
    repeats = _place(draft, i, "repeat_interval") or _place(draft, i, "group_interval")
    if repeat <= group and repeats:
        wrong = f"repeat_interval is not longer than {cooldown}: whatever Alertmanager repeats is told again"
        yield Finding(repeats, wrong, "let repeat_interval be the longer")
    # The built-in value gives way to a shorter group_interval, as the longest cooldown; nobody need write it.
    if settings.urgent and urgent > group and (path := _place(draft, i, "urgent_interval")):
        wrong = f"is longer than {cooldown}: urgent news waits as long as any other"
        yield Finding(path, wrong, "let urgent_interval be the shorter")


def _fallback(draft: Draft, i: int) -> Iterator[Finding]:
    """A fallback that fails together with the channel helps nobody."""
    channel = draft.channels[i]
    if channel.fallback is UNSET:
        return
    fallback = draft.channels.get(draft.names()[channel.fallback])
    if isinstance(channel, EmailChannel) and isinstance(fallback, EmailChannel):
        server, other = (inherited.smtp(draft.config.smtp, each) for each in (channel, fallback))
        if (server.host, server.port) == (other.host, other.port):
            wrong = "has the same mail server as this channel, and fails together with it"
            yield Finding(
                ("channels", i, "fallback"), wrong, "name a channel of another type, or with a host of its own"
            )


def _mention(draft: Draft, i: int) -> Iterator[Finding]:
    """Urgent news alone mentions anybody."""
    channel, severity = draft.channels[i], draft.config.severity
    if not isinstance(channel, SlackChannel) or channel.mention is UNSET:
        return
    settings = inherited.settings(draft.config.defaults, channel)
    sets = [parse(text, compile_pattern) for text in settings.urgent]
    for level in channel.mention:
        name = severity.aliases.get(level, level).lower()
        spelled = {level, name, *(alias for alias, of in severity.aliases.items() if of.lower() == name)}
        of_severity = [[matcher for matcher in every if matcher.name == severity.label] for every in sets]
        if not any(all(m.matches({severity.label: text}) for m in every) for every in of_severity for text in spelled):
            wrong = "mentions nobody, for alerts of this severity are never urgent here"
            yield Finding(("channels", i, "mention", level), wrong, "let a matcher set of urgent match them, too")


def _place(draft: Draft, i: int, key: str) -> Path | None:
    """Where a setting of the channel is written: with it, else for all; None when nowhere."""
    return next((place for place in (("channels", i, key), ("defaults", key)) if draft.written(*place)), None)
