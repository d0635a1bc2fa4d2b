"""Trying what a configuration names before alerts depend on it: ``send-test`` and ``check-config --deep``."""

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from receiver.app import wall_clock
from receiver.channels.base import Channel, DeliveryError, Receipt, Refusal
from receiver.config.destinations import (
    BroughtDestination,
    ConsoleDestination,
    Destination,
    EmailDestination,
    SlackBotDestination,
    SlackDestination,
)
from receiver.config.resolve import destinations, resolve
from receiver.config.types import Config
from receiver.core.content import Notice
from receiver.core.retrying import Failure, FailureClass
from receiver.logs import unspoken
from receiver.messages import failures, notice
from receiver.messages.wording import duration
from receiver.outlets import outlet

log = logging.getLogger(__name__)

ENCRYPTED = {"starttls": "encrypted by STARTTLS", "tls": "encrypted by TLS", "none": "not encrypted"}

CHECKING, SENDING = 60.0, 300.0
"""Seconds for what another package brings, as people wait for it here.

To look should be quick. A message may be on its way for long: mail, the most patient channel of the house, gives it
four minutes. Those of the house have limits of their own, some configured, and say better what did not answer.
"""

# What the books call a channel that people don't give as a type.
SPOKEN = {"slack_bot": "slack, a bot"}

# SQLite keeps these beside the database, and the lock is ours.
BOOKS = ("", "-wal", "-shm", ".lock")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, in words; ``advice`` says what to do about it, None where it works."""

    text: str
    advice: str | None = None

    @property
    def failed(self) -> bool:
        """Whether something is to be done."""
        return self.advice is not None

    def __str__(self) -> str:
        """One line for people."""
        return f"FAILED: {self.text}; {self.advice}" if self.failed else self.text


@dataclass(frozen=True, slots=True)
class Target:
    """A channel to be tried; ``alias`` is its second name."""

    name: str
    alias: str | None
    kind: str
    destination: Destination

    def __str__(self) -> str:
        """The channel as ``check-config`` lists it."""
        return f"{self.name} ({SPOKEN.get(self.kind, self.kind)})"


class UnknownChannel(Exception):
    """No channel has this name; the text says which there are."""


class _NoAnswer(Exception):
    """A channel took longer than anybody waits for it; the text says how long."""


def targets(config: Config) -> tuple[Target, ...]:
    """The channels of a loaded configuration, in its order."""
    pairs = zip(resolve(config).channels, destinations(config), strict=True)
    return tuple(Target(channel.name, channel.alias, channel.kind, destination) for channel, destination in pairs)


def chosen(targets: Sequence[Target], names: Sequence[str]) -> tuple[Target, ...]:
    """Those with one of these names or aliases, all of them without a name; raises UnknownChannel."""
    for name in names:
        if not any(name in (target.name, target.alias) for target in targets):
            known = ", ".join(f"{one.name} (or {one.alias})" if one.alias else one.name for one in targets)
            raise UnknownChannel(f"no channel is called {name!r}; there are: {known}")
    return tuple(one for one in targets if not names or one.name in names or one.alias in names)


async def send(target: Target, stdout: TextIO, patience: float = SENDING) -> list[Finding]:
    """Send a test message: what the provider answered, and each recipient that it refused."""
    try:
        async with _channel(target, stdout, patience) as channel:
            uid, at = uuid.uuid4().hex, wall_clock()
            payload = channel.build(notice.render(_message(target, uid, at)), uid, at)
            receipt = await channel.send(payload, channel.recipients)
    except _NoAnswer as late:
        return [_unanswered(target, f"{late}, though the message may have arrived all the same")]
    except Exception as error:
        return [_failed(target, error)]
    return [_taken(target, receipt), *(_refused(target, refusal) for refusal in receipt.refusals)]


async def reach(targets: Sequence[Target], stdout: TextIO, patience: float = CHECKING) -> list[Finding]:
    """Resolve, connect, encrypt and log in, all at once and sending nothing: a finding for each target."""
    return await asyncio.gather(*(_reach(target, stdout, patience) for target in targets))


async def _reach(target: Target, stdout: TextIO, patience: float) -> Finding:
    try:
        async with _channel(target, stdout, patience) as channel:
            await channel.check()
    except _NoAnswer as late:
        return _unanswered(target, str(late))
    except Exception as error:
        return _failed(target, error)
    return Finding(_reached(target.destination))


@asynccontextmanager
async def _channel(target: Target, stdout: TextIO, patience: float) -> AsyncIterator[Channel]:
    channel = outlet(target.destination, stdout).channel
    limit = asyncio.timeout(patience if isinstance(target.destination, BroughtDestination) else None)
    try:
        async with limit:
            yield channel
    except TimeoutError:
        # It may as well be the channel's own.
        if limit.expired():
            raise _NoAnswer(f"no answer within {patience:g} s") from None
        raise
    finally:
        await channel.close()


def _message(target: Target, uid: str, at: int) -> Notice:
    lines = (
        f"If you read this, the channel {target.name} works: alerts can reach you here.",
        "Somebody sent it with alert-receiver send-test. Nothing is wrong, and nothing needs to be done.",
    )
    return Notice(target.name, uid, at, "Test message from alert-receiver", lines)


def _taken(target: Target, receipt: Receipt) -> Finding:
    code = receipt.code
    match target.destination:
        case SlackDestination() | SlackBotDestination():
            return Finding(f"Slack took the message (HTTP {code})")
        case EmailDestination(recipients=recipients):
            whole = len(recipients)
            who = f" for {whole - len(receipt.refusals)} of {whole} recipients" if receipt.refusals else ""
            return Finding(f"the mail server took the message{who} (SMTP {code})")
        case ConsoleDestination():
            return Finding("the message is printed above")
        case BroughtDestination():
            return Finding("the provider took the message" + ("" if code is None else f" (code {code})"))


def _refused(target: Target, refusal: Refusal) -> Finding:
    if isinstance(target.destination, BroughtDestination):
        code = f" (code {refusal.code})" if refusal.code else ""
        if refusal.final:
            return Finding(f"the provider refused {refusal.address}{code}", "check this recipient")
        return Finding(f"the provider takes nothing for {refusal.address} now{code}", "try again in some minutes")
    if refusal.final:
        return Finding(f"the mail server refused {refusal.address} (SMTP {refusal.code})", 'check this address in "to"')
    return Finding(
        f"the mail server does not take mail for {refusal.address} now (SMTP {refusal.code}, temporary)",
        "try again in some minutes (it may be greylisting, or a full mailbox)",
    )


def _reached(destination: Destination) -> str:
    match destination:
        case SlackDestination():
            return "Slack knows the webhook"
        case SlackBotDestination(channel=channel):
            return f"Slack knows the bot (whether it may write to {channel}, only send-test shows)"
        case EmailDestination(security=security, username=username):
            login = "without a login" if username is None else "logged in"
            return f"connected to {destination.host}, port {destination.port}, {ENCRYPTED[security]}, {login}"
        case ConsoleDestination():
            return "prints to stdout"
        case BroughtDestination():
            return "its own check found nothing wrong"


def _unanswered(target: Target, text: str) -> Finding:
    assert isinstance(target.destination, BroughtDestination)
    package = target.destination.brought.package
    return Finding(text, f"see whether its provider can be reached from here; if so, tell the authors of {package}")


def _failed(target: Target, error: Exception) -> Finding:
    if isinstance(error, DeliveryError):
        failure = error.failure
    else:
        # Nothing else of it is told: what libraries put into their exceptions may be a credential.
        log.error("trying a channel broke", extra={"channel": target.name} | unspoken(error))
        failure = Failure(FailureClass.TRANSIENT, "internal_error")
    text = failures.said(target.kind, failure.reason, failure.code)
    if failure.may_be_taken:
        text += ", though the message may have arrived all the same"
    if failure.retry_after:
        text += f", asking to wait {duration(failure.retry_after)}"
    return Finding(text, failures.advice(target.kind, failure.reason))


def storage(url: str) -> Finding:
    """Whether this process may keep the books there; nothing is created or opened."""
    path = Path(url.removeprefix("sqlite:///").partition("?")[0]).absolute()
    folder = path.parent
    if not folder.exists():
        return Finding(f"there is no folder {folder}", 'create it for the receiver\'s user, or change "storage.url"')
    if not folder.is_dir() or path.is_dir():
        return Finding(f"{path} can't be a file", 'change "storage.url"')
    for place in (folder, *(Path(f"{path}{suffix}") for suffix in BOOKS)):
        # To write in a folder is to make and to enter its files.
        if place.exists() and not os.access(place, os.W_OK | (os.X_OK if place == folder else os.R_OK)):
            return Finding(
                f"this user may not write to {place}", "check as the user that runs the receiver, or give it the right"
            )
    return Finding(f"can be kept in {path}")
