"""Addresses of hosts and people, as far as a configuration must understand them."""

import re
from email.headerregistry import AddressHeader, Group, HeaderRegistry
from email.utils import parseaddr
from ipaddress import ip_address
from urllib.parse import urlsplit

_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
_MAILBOX = re.compile(
    rf"(?P<bare>{_LOCAL}@{_DOMAIN})|(?P<name>[^<>\x00-\x1f\x7f]*)<(?P<angled>{_LOCAL}@{_DOMAIN})>", re.ASCII
)


def is_loopback(host: str) -> bool:
    """Whether what is sent to the host stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def address(mailbox: str) -> str | None:
    """The address of ``Name <user@host>`` or ``user@host``; None when the text is neither, or breaks a line."""
    found = _MAILBOX.fullmatch(mailbox) if len(mailbox) <= 1000 else None
    return found and (found["bare"] or found["angled"])


def sender(mailbox: str) -> str | None:
    """The address, if the text also makes a From header of just that one: ``Acme, Inc. <a@b>`` would make two."""
    found = address(mailbox)
    if found is None:
        return None
    header = HeaderRegistry()("from", mailbox)
    groups: tuple[Group, ...] = header.groups if isinstance(header, AddressHeader) else ()
    read = [(group.display_name, one.addr_spec) for group in groups for one in group.addresses]
    return found if read == [(None, found)] and parseaddr(mailbox)[1] == found else None


def is_safe_url(url: str) -> bool:
    """Whether the URL is https, or http to loopback, and holds neither spaces nor control characters."""
    if any(character <= " " or character == "\x7f" for character in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        # Reading it checks it.
        _ = parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or "")))
