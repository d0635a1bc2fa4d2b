"""What can be wrong with one channel, beyond its schema."""

import re
from collections.abc import Iterator

from msgspec import UNSET

from receiver.config import inherited, kinds, network
from receiver.config.credentials import twins
from receiver.config.draft import Draft
from receiver.config.patterns import compile_pattern
from receiver.config.problems import Finding, Path, suggestion
from receiver.config.types import Channel, EmailChannel, SlackChannel
from receiver.core.matchers import MatcherError, parse

_WHOM = r"<(!here|!channel|!everyone|@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+)>"
MENTIONS = re.compile(rf"{_WHOM}( {_WHOM})*")
"""One or more, as Slack writes them (https://docs.slack.dev/messaging/formatting-message-text#mentioning-users)."""

_MENTION = (
    "'<!here>', '<!channel>', a member '<@U0123>' or a user group '<!subteam^S0123>'; several with spaces between"
)

# A name or an ID; what is neither is found out here and not at three o'clock in the morning.
_SLACK_CHANNEL = re.compile(r"#?[^\s#/,]{1,80}")


def findings(draft: Draft, i: int, channel: Channel) -> Iterator[Finding]:
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
    if isinstance(brought := kinds.find(draft.data["channels"][i]["type"]), kinds.Brought):
        yield from _brought(draft, path, channel, brought)


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
        for name, whom in channel.mention.items():
            yield from level(draft, name, (*path, "mention", name))
            if not MENTIONS.fullmatch(whom):
                yield Finding((*path, "mention", name), "mentions nobody that Slack knows", _MENTION)
    if channel.webhook_url is not UNSET and not channel.webhook_url.passes(network.is_safe_url):
        key = next(key for key in twins("webhook_url") if draft.written(*path, key))
        yield Finding((*path, key), "is no https URL (http is for loopback only)")
    by_bot = next((key for key in twins("bot_token") if draft.written(*path, key)), None)
    if by_bot is not None:
        yield from _bot(draft, path, channel, by_bot)
    elif not _written_secret(draft, path, "webhook_url"):
        right = "or give webhook_url_file or webhook_url_env, or bot_token_file and channel"
        yield Finding((*path, "webhook_url"), "is missing", right)
    else:
        for key in ("channel", "api_url"):
            if draft.written(*path, key):
                yield Finding((*path, key), "is for a bot_token alone", "a webhook has its channel in Slack")


def _bot(draft: Draft, path: Path, channel: SlackChannel, key: str) -> Iterator[Finding]:
    if _written_secret(draft, path, "webhook_url"):
        yield Finding((*path, key), "is given beside a webhook_url", "one of them is the way to Slack")
    if not draft.written(*path, "channel"):
        yield Finding((*path, "channel"), "is missing", 'name the Slack channel that the bot writes to, "#ops"')
    elif channel.channel is not UNSET and not _SLACK_CHANNEL.fullmatch(channel.channel):
        yield Finding((*path, "channel"), "is no Slack channel", 'a name such as "#ops", in quotes, or an ID')
    if channel.api_url is not UNSET and not network.is_safe_url(channel.api_url):
        yield Finding((*path, "api_url"), "is no https URL (http is for loopback only)")


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


def _brought(draft: Draft, path: Path, channel: Channel, brought: kinds.Brought) -> Iterator[Finding]:
    for name in brought.needed:
        if not _written_secret(draft, path, name):
            yield Finding((*path, name), "is missing", f"or give {name}_file or {name}_env")
    if not isinstance(channel, brought.struct):
        if "channels" not in draft.doubtful:
            wrong = f"is not as the package {brought.package} wants it that brings this type"
            yield Finding(path, wrong, "see its documentation")
    # Without its secrets, as where nothing is sent, the rest is for the schema alone to judge.
    elif all(getattr(channel, name) is not UNSET for name in brought.needed):
        yield from _of_its_package(draft, path, channel, brought)


def _of_its_package(draft: Draft, path: Path, channel: Channel, brought: kinds.Brought) -> Iterator[Finding]:
    try:
        mistakes = [kinds.Mistake(*map(str, mistake)) for mistake in brought.kind.check(channel)]
    except (Exception, SystemExit) as error:
        wrong = f"the package {brought.package} that brings this type can't check it: {type(error).__name__}"
        yield Finding((*path, "type"), wrong, "tell its authors")
        return
    for key, wrong, right in mistakes:
        written = next((one for one in twins(key) if draft.written(*path, one)), key)
        yield Finding((*path, written), wrong, right)


def _place(draft: Draft, path: Path, key: str) -> Path | None:
    """Where a channel's key is written: with it, else for all mail; None when nowhere."""
    return next((place for place in ((*path, key), ("smtp", key)) if draft.written(*place)), None)


def _written_secret(draft: Draft, path: Path, name: str) -> bool:
    return any(draft.written(*path, key) for key in twins(name))
