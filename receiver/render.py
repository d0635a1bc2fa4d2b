"""What a channel would say of a notification, now: the real decisions in a store in memory, without their waits."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import click

from receiver.config import kinds
from receiver.config.resolve import resolve
from receiver.config.template_checks import sources_of, tried
from receiver.config.types import Config
from receiver.core import routing
from receiver.core.alerts import Notification, Status
from receiver.core.content import Content, Rendered
from receiver.core.policy import ChannelPolicy, Policy, Throttle
from receiver.core.routing import Verdict
from receiver.decode import NotANotification, TooManyAlerts, decode
from receiver.extension import ChannelKind
from receiver.messages.wording import number
from receiver.simulate.journal import Journal, Moved
from receiver.simulate.phrases import became
from receiver.store.connect import Store
from receiver.templates.forms import Form, form_of
from receiver.templates.own import Failure, attempt, builtin
from receiver.templates.process import Renderer
from receiver.transitions.accept import accept
from receiver.transitions.claim import Claimed, Rest, claim, fix
from receiver.transitions.install import install
from receiver.transitions.settle import Attempt, settle

PARTS = ("subject", "text", "html", "slack")
LARGEST = 64 << 20
# What has resolved is told as firing so long before.
EARLIER = 60_000


class UnknownChannel(Exception):
    """No channel has this name; the text says which there are."""


class NoSuchPart(Exception):
    """The channel's messages don't have this part; the text says so."""


class Nothing(Exception):
    """Nothing comes out; the text says why, line by line."""


@dataclass(frozen=True, slots=True)
class Target:
    """A channel, the policy for it alone, and how it renders: by these templates, else by the form's built-in one."""

    policy: Policy
    form: Form
    sources: dict[str, str]

    @property
    def channel(self) -> ChannelPolicy:
        """The channel."""
        return self.policy.channels[0]


@dataclass(frozen=True, slots=True)
class Body:
    """What was read, and from where in words."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be printed, and what went wrong."""

    texts: Sequence[str]
    problems: Sequence[str]


def find(config: Config, name: str) -> Target:
    """The channel of this name or alias, made not to wait; raises UnknownChannel."""
    policy = resolve(config)
    channel = routing.addressed(policy, name)
    if channel is None:
        known = ", ".join(f"{one.name} (or {one.alias})" if one.alias else one.name for one in policy.channels)
        raise UnknownChannel(f"no channel is called {name!r}; there are: {known}")
    form = form_of(channel.kind)
    brought = kinds.find(channel.kind)
    if isinstance(brought, kinds.Brought) and isinstance(brought.kind, ChannelKind):
        form = replace(form, builtin=brought.kind.render)
    configured = next(one for one in config.channels if one.name == channel.name)
    prompt = replace(
        channel,
        group_wait=0,
        group_interval=0,
        urgent_interval=0,
        throttle=Throttle(messages=1_000_000, per=1_000, burst=1_000_000),
        fallback=None,
    )
    return Target(replace(policy, channels=(prompt,), notices=()), form, sources_of(configured))


def body(file: Path) -> Body:
    """What the file holds, - for stdin; raises Nothing."""
    try:
        with click.open_file(str(file), "rb") as opened:
            content: bytes = opened.read(LARGEST + 1)
    except OSError as error:
        raise Nothing(f"{file}: can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise Nothing(f"{file}: larger than {LARGEST:,} bytes")
    return Body("stdin" if str(file) == "-" else str(file), content)


def show(target: Target, body: Body, now: int, part: str) -> Shown:
    """The messages that the body makes; raises Nothing and NoSuchPart.

    Where the templates work for them but would for some other notification not, it says so on stderr.
    """
    if part not in ("all", "text", *target.form.parts):
        raise NoSuchPart(f"the messages of {target.form.name} have no {part}")
    try:
        notification = decode(body.content, addressed_to=target.channel.name, received_at=now)
    except (NotANotification, TooManyAlerts) as error:
        raise Nothing(f"{body.name}: {_said(str(error))}") from None
    contents, moved = _told(target.policy, notification, now)
    if not contents:
        raise Nothing("\n".join(_why(target, notification, moved)))
    texts: list[str] = []
    problems: list[str] = []
    with closing(Renderer()) as renderer:
        for n, each in enumerate(contents, 1):
            if part == "all" and len(contents) > 1:
                texts.append(f"=== message {n} of {len(contents)} ===")
            rendered, failed = _rendered(target, each, renderer)
            texts += [*_all(rendered), ""] if part == "all" else [_one(rendered, part)]
            problems += failed
        if not problems:
            _warn(target, renderer)
    return Shown(texts, list(dict.fromkeys(problems)))


def _said(wrong: str) -> str:
    """What is wrong with a body; $ is all of it, which its file's name says already."""
    whole = {"$: not JSON": "not JSON", "$: empty body": "is empty"}
    return whole.get(wrong) or f"not a notification: {wrong.removeprefix('$: ')}"


def _warn(target: Target, renderer: Renderer) -> None:
    """Tell what fails on the notifications that the configuration's check tries; this one does not."""
    for failure, sample in tried(target.form, target.sources, renderer).values():
        click.echo(f"warning: {_told_of(failure, sample)}", err=True)


def _told_of(failure: Failure, sample: str = "") -> str:
    place = "" if failure.line is None else f", line {failure.line}"
    advice = f"; {failure.advice}" if failure.advice else ""
    return f"the template for {failure.part}{place}: {failure.explained}{sample}{advice}"


def _rendered(target: Target, content: Content, renderer: Renderer) -> tuple[Rendered, list[str]]:
    if not target.sources:
        return target.form.builtin(content), []
    own = attempt(target.form, target.sources, content, renderer)
    if own.rendered is not None:
        return own.rendered, []
    return builtin(target.form, content, own.failures[0]), [_told_of(failure) for failure in own.failures]


def _all(rendered: Rendered) -> Iterator[str]:
    yield f"subject: {rendered.subject}"
    yield ""
    # Slack's message has the text, too.
    yield _slack(rendered) if rendered.blocks or rendered.attachments else rendered.text
    if rendered.html:
        yield ""
        yield f"({number(len(rendered.html.encode()), 'byte', 'bytes')} of HTML: --part html shows them)"


def _one(rendered: Rendered, part: str) -> str:
    return _slack(rendered) if part == "slack" else str(getattr(rendered, part))


def _slack(rendered: Rendered) -> str:
    message: dict[str, object] = {"text": rendered.text, "blocks": rendered.blocks}
    if rendered.attachments:
        message["attachments"] = rendered.attachments
    return json.dumps(message, indent=2, ensure_ascii=False)


def _told(policy: Policy, notification: Notification, now: int) -> tuple[list[Content], Moved]:
    """What the channel tells of the notification, and what moved in the books."""
    time = now - EARLIER
    store, journal, uids = Store("sqlite://", lambda: time), Journal(), (f"{n:032x}" for n in count(1))
    try:
        with store.write() as tx:
            install(tx, policy, time)
        if resolved := tuple(alert for alert in notification.alerts if alert.status is Status.RESOLVED):
            before = tuple(replace(alert, status=Status.FIRING, ends_at=None) for alert in resolved)
            _take(store, replace(notification, alerts=before), policy, time)
            list(_messages(store, policy, uids, time))
        time = now
        with store.read() as tx:
            journal.moved(tx)
        _take(store, notification, policy, now)
        with store.read() as tx:
            moved = journal.moved(tx)
        return list(_messages(store, policy, uids, now)), moved
    finally:
        store.close()


def _take(store: Store, notification: Notification, policy: Policy, now: int) -> None:
    with store.write() as tx:
        accept(tx, [notification], policy, now)


def _messages(store: Store, policy: Policy, uids: Iterator[str], now: int) -> Iterator[Content]:
    """The messages that are due, each told as soon as it is made."""
    while True:
        with store.write() as tx:
            claimed = claim(tx, policy.channels[0].name, next(uids), policy, now)
            if isinstance(claimed, Rest):
                return
            assert isinstance(claimed, Claimed), "nothing has failed, and nobody is to be notified"
            fixed = fix(tx, claimed, "", b"", ())
            assert fixed is not None, "nothing has happened since the claim"
            settle(tx, Attempt(fixed, now, 0, {}, None), policy, now)
        yield claimed.content


def _why(target: Target, notification: Notification, moved: Moved) -> Iterator[str]:
    """Why the channel tells nothing of it."""
    scale, channel = target.policy.severity, target.channel
    verdicts = [routing.judge(alert.labels, scale.rank_of(alert.labels), channel) for alert in notification.alerts]
    yield f"{channel.name} tells nothing of this notification:"
    if not verdicts:
        yield "  it holds no alerts"
    if unmatched := verdicts.count(Verdict.UNMATCHED):
        yield f"  {number(unmatched, 'alert does', 'alerts do')} not match the channel's matchers"
    if filtered := verdicts.count(Verdict.FILTERED):
        level = scale.levels[channel.min_severity]
        yield f"  {number(filtered, 'alert is', 'alerts are')} less severe than the channel's min_severity, {level}"
    for line in became(replace(moved, unrouted=0, filtered=0)):
        yield f"  {line}"
