"""What a channel needs to reach its provider, with every override applied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from receiver.secret import Secret

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class SlackDestination:
    """A Slack incoming webhook."""

    name: str
    webhook_url: Secret


@dataclass(frozen=True, slots=True)
class EmailDestination:
    """A mail server and who gets the mail.

    ``sender`` is a From header's value, ``recipients`` are bare addresses, ``timeout`` is in seconds. ``username``
    and ``password`` are both set or both None; ``ca_file`` replaces the system's certificate authorities.
    """

    name: str
    sender: str
    recipients: tuple[str, ...]
    host: str
    port: int
    security: Security
    username: str | None
    password: Secret | None
    ca_file: Path | None
    timeout: float


@dataclass(frozen=True, slots=True)
class ConsoleDestination:
    """The process's own output."""

    name: str


Destination = SlackDestination | EmailDestination | ConsoleDestination
