"""The addresses of an alert: which of them may become links."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from receiver.core.content import Line
from receiver.messages.bounds import Bounds
from receiver.messages.wording import capital, one_line

LINKS_LIMIT = 6
"""Links of one alert: its runbook, dashboard and graph, and what Grafana adds."""

_URL_SAFE = re.compile(r"[!-~]+")  # printable ASCII: what RFC 3986 allows, and no space or control character


@dataclass(frozen=True, slots=True)
class Link:
    """A named address. Only a ``live`` one may become a link; any other is shown as the text it is."""

    name: str
    url: str
    live: bool


def of_alert(line: Line, bounds: Bounds) -> tuple[Link, ...]:
    """The alert's links; none of a defective one."""
    return tuple(links(_addresses(line), bounds)) if line.defect is None else ()


def links(addresses: Iterable[tuple[str, str]], bounds: Bounds) -> Iterator[Link]:
    """The addresses that are there. An address is never cut and still live: it would lead elsewhere."""
    for name, url in islice(((name, url) for name, url in addresses if url), LINKS_LIMIT):
        live = len(url) <= bounds.url and _live(url)
        yield Link(one_line(name, 40), url if live else one_line(url, bounds.short), live)


def _addresses(line: Line) -> Iterator[tuple[str, str]]:
    yield "Runbook", line.annotations.get("runbook_url", "")
    yield "Dashboard", line.annotations.get("dashboard") or line.annotations.get("dashboard_url", "")
    yield "Graph", line.generator_url
    for name, url in sorted(line.links.items()):
        yield capital(name[:40]), url


def _live(url: str) -> bool:
    if not _URL_SAFE.fullmatch(url) or any(mark in url for mark in '<>"'):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
