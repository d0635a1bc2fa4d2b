"""What no schema can say: references, patterns, addresses, and what keys mean for each other.

All checks run on what the schema has left of a document, so that one mistake hides no other.
"""

from collections.abc import Iterator, Mapping
from zoneinfo import available_timezones

from msgspec import UNSET

from receiver.config import channel_checks, tokens
from receiver.config.draft import Draft
from receiver.config.problems import Finding, Path, suggestion


def findings(draft: Draft) -> Iterator[Finding]:
    """Everything that is wrong with the draft beyond its schema."""
    yield from _storage(draft)
    yield from _severity(draft)
    yield from _defaults(draft)
    yield from _references(draft)
    yield from tokens.findings(draft)
    yield from _reports(draft)
    for i, channel in draft.channels.items():
        yield from channel_checks.findings(draft, i, channel)


def _storage(draft: Draft) -> Iterator[Finding]:
    url = draft.config.storage.url
    if url.startswith(("postgresql://", "postgresql+", "postgres://")):
        yield Finding(("storage", "url"), "PostgreSQL is not supported yet", "sqlite:///alert-receiver.db")
    elif not url.startswith("sqlite:///") or url == "sqlite:///":
        yield Finding(("storage", "url"), "is no database that can be used", "sqlite:///alert-receiver.db")
    elif not _is_file(url.removeprefix("sqlite:///")):
        wrong = "is not durable: what is in memory is lost when the process ends"
        yield Finding(("storage", "url"), wrong, "name a plain file, sqlite:///alert-receiver.db")


def _is_file(path: str) -> bool:
    name, _, query = path.partition("?")
    return bool(name) and ":memory:" not in name and not name.startswith("file:") and "memory" not in query


def _severity(draft: Draft) -> Iterator[Finding]:
    if "severity" in draft.doubtful:
        return
    severity = draft.config.severity
    levels = [level.lower() for level in severity.levels]
    if len(set(levels)) < len(levels):
        yield Finding(("severity", "levels"), "lists a level twice (upper and lower case are the same)")
    if severity.default.lower() not in levels:
        yield Finding(("severity", "default"), "is no level", suggestion(severity.default, severity.levels))
    # The built-in alias is left out where it does not fit the user's own levels.
    for alias, level in severity.aliases.items() if draft.written("severity", "aliases") else ():
        if level.lower() not in levels:
            yield Finding(("severity", "aliases", alias), "is no level", suggestion(level, severity.levels))
        if alias.lower() in levels:
            yield Finding(("severity", "aliases", alias), "is a level itself")


def _defaults(draft: Draft) -> Iterator[Finding]:
    config = draft.config
    yield from channel_checks.matchers(config.defaults.urgent, ("defaults", "urgent"))
    yield from channel_checks.group_by(config.defaults.group_by, ("defaults", "group_by"))
    yield from channel_checks.level(draft, config.defaults.min_severity, ("defaults", "min_severity"))


def _references(draft: Draft) -> Iterator[Finding]:
    names = draft.names()
    for path in draft.double_names():
        yield Finding(path, "is the name or alias of another channel, or of this one")
    lists: list[tuple[Path, tuple[str, ...]]] = [(("notices",), draft.config.notices)]
    lists += [(("heartbeats", i, "channels"), one.channels) for i, one in enumerate(draft.config.heartbeats)]
    lists += [(("reports", i, "channels"), one.channels) for i, one in enumerate(draft.config.reports)]
    for path, wanted in lists:
        for i, name in enumerate(wanted):
            if name not in names:
                yield Finding((*path, i), "no channel has this name", suggestion(name, tuple(names)))
    for i, heartbeat in enumerate(draft.config.heartbeats):
        yield from channel_checks.matchers(heartbeat.matchers, ("heartbeats", i, "matchers"))
    yield from _double(("heartbeats",), [one.name for one in draft.config.heartbeats])
    yield from _double(("reports",), [one.name for one in draft.config.reports])
    yield from _double(("auth", "tokens"), [one.name for one in draft.config.auth.tokens])
    yield from _fallbacks(draft, names)


def _double(path: Path, names: list[str]) -> Iterator[Finding]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Finding((*path, i, "name"), "is taken")


def _fallbacks(draft: Draft, names: Mapping[str, int]) -> Iterator[Finding]:
    following: dict[int, int] = {}
    for i, channel in draft.channels.items():
        if channel.fallback is UNSET:
            continue
        if channel.fallback not in names:
            others = tuple(name for name, place in names.items() if place != i)
            right = suggestion(channel.fallback, others)
            yield Finding(("channels", i, "fallback"), "no channel has this name", right)
        elif names[channel.fallback] == i:
            yield Finding(("channels", i, "fallback"), "must be another channel than this one")
        else:
            following[i] = names[channel.fallback]
    told: set[int] = set()
    for start in following:
        chain = [start]
        while (after := following.get(chain[-1])) is not None and after not in chain and after not in told:
            chain.append(after)
        if after in chain:
            circle = chain[chain.index(after) :]
            way = " → ".join(str(draft.channels[i].name) for i in [*circle, after])
            yield Finding(("channels", circle[-1], "fallback"), f"goes in a circle: {way}")
        told.update(chain)


def _reports(draft: Draft) -> Iterator[Finding]:
    # Without any time zone data on the machine there is nothing to judge by.
    zones = available_timezones() if draft.config.reports else set()
    for i, report in enumerate(draft.config.reports):
        if zones and report.timezone not in zones:
            yield Finding(("reports", i, "timezone"), "is no time zone", 'one such as "Europe/Berlin" or "UTC"')
