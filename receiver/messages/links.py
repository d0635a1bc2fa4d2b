"""The addresses of an alert: which of them may become links."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from receiver.core.content import Content, Line, Told
from receiver.messages import silences
from receiver.messages.bounds import Bounds
from receiver.messages.wording import capital, one_line

LINKS_LIMIT = 7
"""Links of one alert: its runbook, dashboard, graph and silence, and what Grafana adds."""

SILENCED_EACH = 20
"""Alerts of a message that have a link to silence each; of more of them, it is the group that is silenced."""

_URL_SAFE = re.compile(r"[!-~]+")  # printable ASCII: what RFC 3986 allows, and no space or control character


@dataclass(frozen=True, slots=True)
class Link:
    """A named address. Only a ``live`` one may become a link; any other is shown as the text it is."""

    name: str
    url: str
    live: bool


def of_alert(line: Line, content: Content, bounds: Bounds) -> tuple[Link, ...]:
    """The alert's links; none of a defective one."""
    return tuple(links(_addresses(line, content, bounds), bounds)) if line.defect is None else ()


def of_silence(content: Content, bounds: Bounds) -> Link | None:
    """Where to silence the message's group, if that is more than one alert, any of which fires."""
    several = content.kind == "group" and content.news + content.also_firing > 1
    fires = content.firing + content.also_firing > 0
    if not (several and fires) or any("silence" in line.links for line in content.lines):
        return None
    group = {**content.group, **dict.fromkeys(content.lacking, "")} if content.group else {}
    url = silences.url(_alertmanager(content), group, group, bounds.url)
    return Link("Silence this group", url, live=True) if url else None


def links(addresses: Iterable[tuple[str, str]], bounds: Bounds) -> Iterator[Link]:
    """The addresses that are there. An address is never cut and still live: it would lead elsewhere."""
    for name, url in islice(((name, url) for name, url in addresses if url), LINKS_LIMIT):
        live = len(url) <= bounds.url and _live(url)
        yield Link(one_line(name, 40), url if live else one_line(url, bounds.short), live)


def _addresses(line: Line, content: Content, bounds: Bounds) -> Iterator[tuple[str, str]]:
    yield "Runbook", line.annotations.get("runbook_url", "")
    yield "Dashboard", line.annotations.get("dashboard") or line.annotations.get("dashboard_url", "")
    yield "Graph", line.generator_url
    if line.told is Told.FIRING and content.news <= SILENCED_EACH and "silence" not in line.links:
        yield "Silence", silences.url(_alertmanager(content), line.labels, content.group, bounds.url)
    for name, url in sorted(line.links.items()):
        yield capital(name[:40]), url


def _alertmanager(content: Content) -> str:
    return content.external_url if _live(content.external_url) else ""


def _live(url: str) -> bool:
    if not _URL_SAFE.fullmatch(url) or any(mark in url for mark in '<>"'):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
