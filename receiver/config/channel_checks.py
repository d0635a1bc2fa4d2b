"""What can be wrong with one channel, beyond its schema."""

from collections.abc import Iterator

from msgspec import UNSET

from receiver.config import inherited, network
from receiver.config.credentials import twins
from receiver.config.draft import Draft
from receiver.config.patterns import compile_pattern
from receiver.config.problems import Finding, Path, suggestion
from receiver.config.types import AnyChannel, EmailChannel, SlackChannel
from receiver.core.matchers import MatcherError, parse


def findings(draft: Draft, i: int, channel: AnyChannel) -> Iterator[Finding]:
    """Everything that is wrong with the channel at place ``i``, taken by itself."""
    path: Path = ("channels", i)
    yield from matchers(channel.matchers, (*path, "matchers"))
    if channel.urgent is not UNSET:
        yield from matchers(channel.urgent, (*path, "urgent"))
    if channel.group_by is not UNSET:
        yield from group_by(channel.group_by, (*path, "group_by"))
    if channel.min_severity is not UNSET:
        yield from level(draft, channel.min_severity, (*path, "min_severity"))
    if isinstance(channel, SlackChannel):
        yield from _slack(draft, path, channel)
    if isinstance(channel, EmailChannel):
        yield from _email(draft, path, channel)


def matchers(texts: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """Texts that are no matchers, or match everything by holding none."""
    for i, text in enumerate(texts):
        try:
            if not parse(text, compile_pattern):
                yield Finding((*path, i), "holds no matcher and would match every alert", "leave it out")
        except MatcherError as error:
            yield Finding((*path, i), str(error))


def group_by(labels: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """``...`` means every label, and so makes no sense beside others."""
    if "..." in labels and len(labels) > 1:
        yield Finding(path, "'...' is every label already", "leave the others out")


def level(draft: Draft, name: str, path: Path) -> Iterator[Finding]:
    """A written severity must be a level, or an alias of one."""
    severity = draft.config.severity
    known = [*severity.levels, *severity.aliases]
    if "severity" in draft.doubtful or not draft.written(*path):
        return
    if name.lower() not in [one.lower() for one in known]:
        yield Finding(path, "is no severity level", suggestion(name, known))


def _slack(draft: Draft, path: Path, channel: SlackChannel) -> Iterator[Finding]:
    if channel.mention is not UNSET:
        for name in channel.mention:
            yield from level(draft, name, (*path, "mention", name))
    if channel.webhook_url is not UNSET and not channel.webhook_url.passes(network.is_safe_url):
        key = next(key for key in twins("webhook_url") if draft.written(*path, key))
        yield Finding((*path, key), "is no https URL (http is for loopback only)")
    if not _written_secret(draft, path, "webhook_url"):
        bot = ", a bot_token alone can't send yet" if _written_secret(draft, path, "bot_token") else ""
        yield Finding((*path, "webhook_url"), f"is missing{bot}", "or give webhook_url_file or webhook_url_env")


def _email(draft: Draft, path: Path, channel: EmailChannel) -> Iterator[Finding]:
    for i, mailbox in enumerate(channel.to):
        if not network.address(mailbox):
            yield Finding((*path, "to", i), "is no mail address", "write user@example.com")
    if not network.address(channel.sender):
        yield Finding((*path, "from"), "is no mail address", "write Name <user@example.com> or user@example.com")
    elif not network.sender(channel.sender):
        right = """quote the name: '"Acme, Inc." <user@example.com>'"""
        yield Finding((*path, "from"), "is not one address with a name", right)
    if not _place(draft, path, "host"):
        yield Finding((*path, "host"), "is missing", "give it here or in smtp")
    yield from _login(draft, path, channel)


def _login(draft: Draft, path: Path, channel: EmailChannel) -> Iterator[Finding]:
    username = _place(draft, path, "username")
    password = next((place for key in twins("password") if (place := _place(draft, path, key))), None)
    if username and not password:
        yield Finding(username, "needs a password", "give password_file or password_env")
    if password and not username:
        yield Finding(password, "needs a username")
    server = inherited.smtp(draft.config.smtp, channel)
    if password and server.security == "none" and (server.host is not UNSET and not network.is_loopback(server.host)):
        security = _place(draft, path, "security") or (*path, "security")
        yield Finding(
            security, "a password would go over the network unencrypted", 'use "starttls" or "tls", or a loopback host'
        )


def _place(draft: Draft, path: Path, key: str) -> Path | None:
    """Where a channel's key is written: with it, else for all mail; None when nowhere."""
    return next((place for place in ((*path, key), ("smtp", key)) if draft.written(*place)), None)


def _written_secret(draft: Draft, path: Path, name: str) -> bool:
    return any(draft.written(*path, key) for key in twins(name))
