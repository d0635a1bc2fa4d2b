"""What a channel needs to reach its provider, with every override applied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from receiver.config.kinds import Brought
from receiver.config.types import Channel
from receiver.secret import Secret

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class Templates:
    """The sources of a channel's own Jinja2 templates; None where the built-in rendering serves."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    slack: str | None = None


@dataclass(frozen=True, slots=True)
class SlackDestination:
    """A Slack incoming webhook."""

    name: str
    webhook_url: Secret
    templates: Templates = Templates()


@dataclass(frozen=True, slots=True)
class SlackBotDestination:
    """A Slack channel that a bot writes to, through the Web API at ``api_url``."""

    name: str
    bot_token: Secret
    channel: str
    api_url: str
    templates: Templates = Templates()


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
    templates: Templates = Templates()


@dataclass(frozen=True, slots=True)
class ConsoleDestination:
    """The process's own output."""

    name: str
    templates: Templates = Templates()


@dataclass(frozen=True, slots=True)
class BroughtDestination:
    """What a type of channel that another package brings makes of its own keys.

    ``settings`` has these and the name alone: what all channels have, and where a secret was read, is left out.
    """

    name: str
    brought: Brought
    settings: Channel
    templates: Templates = Templates()


Destination = SlackDestination | SlackBotDestination | EmailDestination | ConsoleDestination | BroughtDestination
