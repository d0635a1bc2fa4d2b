"""Who may change what the receiver does: programs on this machine, and nobody who only speaks through one of them."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from aiohttp import web

# What proxies add. Behind one on this machine everybody looks like this machine.
FORWARDING = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Original-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Envoy-External-Address",
    "True-Client-IP",
    "CF-Connecting-IP",
)


def objection(request: web.Request) -> str | None:
    """Why the request may change nothing; None where it may."""
    if not is_loopback(request.remote or ""):
        return "this is allowed from the receiver's own machine alone, over loopback"
    for name in FORWARDING:
        if name in request.headers:
            return f"this is not allowed through a proxy, and the header {name} tells of one"
    if not _is_own(request):
        return "this is not allowed to pages of other sites, and the browser tells of one"
    return None


def _is_own(request: web.Request) -> bool:
    """Whether no browser asks, or one that shows a page of ours.

    Any page may point its own name at loopback, so the page's name must be loopback's, too.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    try:
        page = urlsplit(origin)
        return page.netloc == request.headers.get("Host") and is_loopback(page.hostname or "")
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether the address, or name, is of this machine alone."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
