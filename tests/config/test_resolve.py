"""A loaded configuration becomes a policy and destinations."""

from email.utils import parseaddr
from pathlib import Path

import pytest
import trustme

from receiver.config import loading, resolve
from receiver.config.destinations import ConsoleDestination, EmailDestination, SlackDestination
from receiver.config.patterns import compile_pattern
from receiver.config.types import Config
from receiver.core.matchers import parse
from receiver.core.policy import ChannelPolicy, Throttle
from receiver.secret import Secret


def config(folder: Path, text: str) -> Config:
    """The text, loaded."""
    file = folder / "alert-receiver.yml"
    file.write_text(text)
    return loading.load(file, {}).config


def channels(folder: Path, text: str) -> tuple[ChannelPolicy, ...]:
    """The channels' policies."""
    return resolve.resolve(config(folder, text)).channels


def test_the_built_in_values_make_a_policy() -> None:
    policy = resolve.resolve(loading.embedded().config)
    assert policy.channels == (
        ChannelPolicy(
            name="console",
            kind="console",
            alias=None,
            matchers=(),
            min_severity=1,
            group_by=("alertname", "cluster", "namespace"),
            group_wait=10_000,
            group_threshold=5,
            group_interval=120_000,
            repeat_interval=4 * 3_600_000,
            urgent=(parse('severity="critical"', compile_pattern),),
            urgent_interval=60_000,
            digest_interval=60_000,
            throttle=Throttle(messages=6, per=60_000, burst=6),
            send_resolved=True,
            retry_for=24 * 3_600_000,
        ),
    )
    assert policy.severity.rank("PAGE") == 4
    assert policy.ignore_labels == {"prometheus_replica"}
    assert (policy.expire_after, policy.reorder_window) == (24 * 3_600_000, 120_000)


def test_a_channel_overrides_the_defaults_and_they_the_built_in_values(tmp_path: Path) -> None:
    first, second = channels(
        tmp_path,
        """\
defaults: {group_by: ['...'], group_wait: 0, throttle: {messages: 2, per: 1h}}
channels:
- {name: a, alias: b, type: console, group_by: [], min_severity: PAGE, send_resolved: false, matchers: ['x=y,z!=w']}
- {name: c, type: console, group_wait: 1m, group_threshold: 9, group_interval: 1s, throttle: {burst: 1}}
""",
    )
    assert (first.alias, first.group_by, first.group_wait, first.min_severity) == ("b", (), 0, 4)
    assert first.throttle == Throttle(messages=2, per=3_600_000, burst=2)
    assert [str(matcher) for matcher in first.matchers] == ['x="y"', 'z!="w"']
    assert first.send_resolved is False
    assert (second.group_by, second.group_wait, second.group_threshold) == (None, 60_000, 9)
    assert second.group_interval == 1_000
    assert second.throttle == Throttle(messages=6, per=60_000, burst=1)


def test_intervals_and_urgency_are_a_channels_own_or_those_of_all(tmp_path: Path) -> None:
    policy = resolve.resolve(
        config(
            tmp_path,
            """\
expire_after: 2d
reorder_window: 0
defaults: {repeat_interval: 1h, urgent: ['a="b",c="d"', e=f], urgent_interval: 30s, digest_interval: 0, retry_for: 1d}
channels:
- {name: a, type: console}
- {name: b, type: console, repeat_interval: 2h, urgent: [], urgent_interval: 0, digest_interval: 5m, retry_for: 1h}
""",
        )
    )
    first, second = policy.channels
    assert (policy.expire_after, policy.reorder_window) == (172_800_000, 0)
    assert (first.repeat_interval, first.urgent_interval, first.digest_interval) == (3_600_000, 30_000, 0)
    assert [[str(matcher) for matcher in one] for one in first.urgent] == [['a="b"', 'c="d"'], ['e="f"']]
    assert (second.repeat_interval, second.urgent_interval, second.digest_interval) == (7_200_000, 0, 300_000)
    assert second.urgent == ()
    assert (first.retry_for, second.retry_for) == (86_400_000, 3_600_000)


def test_severities_compare_in_lower_case(tmp_path: Path) -> None:
    policy = resolve.resolve(
        config(
            tmp_path,
            """\
severity: {label: prio, levels: [Low, High], default: LOW, aliases: {P1: HIGH}}
channels: [{name: a, type: console, min_severity: p1}, {name: b, type: console}]
""",
        )
    )
    assert policy.severity.levels == ("low", "high")
    assert policy.severity.rank("p1") == 1
    # The built-in min_severity is none of these levels, and keeps nothing out.
    assert [channel.min_severity for channel in policy.channels] == [1, 0]


def test_the_built_in_alias_gives_way_to_levels_of_that_name(tmp_path: Path) -> None:
    text = "severity: {levels: [ticket, page], default: page}\nchannels: [{name: a, type: console}]"
    severity = resolve.resolve(config(tmp_path, text)).severity
    assert (severity.rank("page"), severity.rank("ticket"), severity.aliases) == (1, 0, {})


def test_fallbacks_and_notices_name_channels_whatever_the_file_calls_them(tmp_path: Path) -> None:
    policy = resolve.resolve(
        config(
            tmp_path,
            """\
notices: [bb, a, b]
defaults: {fallback_after: 5m}
channels:
- {name: a, type: console, fallback: bb}
- {name: b, alias: bb, type: console, fallback_after: 3m}
""",
        )
    )
    assert policy.notices == ("b", "a")
    assert [(channel.fallback, channel.fallback_after) for channel in policy.channels] == [
        ("b", 300_000),
        (None, 180_000),
    ]


def test_destinations_have_every_override_applied(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "password").write_text("own-password\n\n")
    found = resolve.destinations(
        config(
            tmp_path,
            """\
smtp: {host: mail.example.com, username: all, password: shared, ca_file: ca.pem}
channels:
- {name: s, type: slack, webhook_url: 'http://127.0.0.1:8080/hook'}
- {name: e, type: email, to: [a@example.com, 'A <a@example.com>', 'B, C <b@example.com>'], from: Alerts <x@example.com>}
- {name: f, type: email, to: [a@example.com], from: x@example.com, host: '::1', security: none, timeout: 500ms,
   username: own, password_file: password}
- {name: g, type: email, to: [a@example.com], from: x@example.com, security: tls, port: 2465}
- {name: c, type: console}
""",
        )
    )
    common = EmailDestination(
        name="e",
        sender="Alerts <x@example.com>",
        recipients=("a@example.com", "b@example.com"),
        host="mail.example.com",
        port=587,
        security="starttls",
        username="all",
        password=Secret("shared"),
        ca_file=tmp_path / "ca.pem",
        timeout=10.0,
    )
    slack, e, f, g, console = found
    assert slack == SlackDestination("s", Secret("http://127.0.0.1:8080/hook"))
    assert e == common
    assert isinstance(f, EmailDestination)
    assert (f.host, f.port, f.security, f.timeout) == ("::1", 25, "none", 0.5)
    assert (f.username, f.password) == ("own", Secret("own-password\n"))
    assert isinstance(g, EmailDestination)
    assert (g.port, g.security) == (2465, "tls")
    assert console == ConsoleDestination("c")
    assert "shared" not in repr(found)


def test_patterns_are_anchored_and_never_raise_whatever_they_are_asked() -> None:
    pattern = compile_pattern("(a+)+b")
    assert pattern.fullmatch("aab")
    assert not pattern.fullmatch("aabc")
    assert not pattern.fullmatch("a" * 100_000)
    assert not pattern.fullmatch("\ud800")


@pytest.mark.parametrize("source", ["(", "a{1000}{1000}", "(?=a)", "\ud800", "(((a{100}){100}){100})", "(?:" * 10_000])
def test_a_pattern_that_re2_refuses_is_a_value_error_of_readable_length(source: str) -> None:
    with pytest.raises(ValueError, match=r"^.{3,200}$"):
        compile_pattern(source)


@pytest.mark.parametrize(
    "sender",
    [
        '"Acme, Inc." <a@example.com>',
        "Acme Inc. <a@example.com>",
        "Größe <a@example.com>",
        "a@example.com",
        "<a@example.com>",
    ],
)
def test_a_sender_that_is_one_address_is_accepted_and_read_alike_by_all(tmp_path: Path, sender: str) -> None:
    text = f"channels: [{{name: a, type: email, host: localhost, to: [b@example.com], from: '{sender}'}}]"
    [found] = resolve.destinations(config(tmp_path, text))
    assert isinstance(found, EmailDestination)
    assert found.sender == sender
    assert parseaddr(sender)[1] == "a@example.com"
