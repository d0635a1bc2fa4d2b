"""A configuration loads whole, or says everything that is wrong with it at once."""

import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from receiver.config import credentials, loading
from receiver.config.credentials import fingerprint
from receiver.config.problems import ConfigError
from receiver.config.types import ConsoleChannel
from receiver.secret import Secret

URL = "https://hooks.slack.example/services/T00/B00/the-webhook-secret"
PASSWORD = "the-smtp-password"

# The example of the documentation, whole.
EXAMPLE = """\
storage:
  url: sqlite:///alert-receiver.db      # later also postgresql://…
  retention: 30d                        # of history; the pending is never pruned
severity: {label: severity, levels: [none, info, warning, error, critical], default: warning, aliases: {page: critical}}
ignore_labels: [prometheus_replica]
expire_after: 24h
reorder_window: 2m
notices: [oncall]

smtp:                                   # for every email channel, which may override any of it
  host: smtp.example.com
  port: 587
  security: starttls                    # starttls | tls | none; starttls is required, never opportunistic
  username: alerts
  password_file: smtp-password
  timeout: 10s

defaults:                               # what every channel starts from; these are the built-in values
  group_by: [alertname, cluster, namespace]   # ['...'] = every label, so each alert alone; [] = all together
  group_wait: 10s
  group_threshold: 5
  group_interval: 2m
  repeat_interval: 4h
  urgent: ['severity="critical"']
  urgent_interval: 1m
  digest_interval: 1m
  throttle: {messages: 6, per: 1m, burst: 6}
  min_severity: info
  send_resolved: true
  retry_for: 24h
  fallback_after: 10m

channels:
  - name: ops
    alias: war-room
    type: slack
    webhook_url_env: SLACK_WEBHOOK_URL
    mention: {critical: '<!here>'}
    matchers: ['team="ops"']
    min_severity: warning
    fallback: oncall
  - name: oncall
    type: email
    to: [oncall@example.com]
    from: Alerts <alerts@example.com>
  - {name: shell, type: console}
"""
LATER = (
    EXAMPLE
    + """\
  - name: bot
    type: slack
    bot_token_env: BOT
    channel: '#ops'
auth:
  tokens:
    - {name: am, token_env: TOKEN, scopes: [webhook, read], source: prod}
heartbeats:
  - {name: watchdog, matchers: [alertname=Watchdog], within: 15m, channels: [war-room]}
reports:
  - {name: weekly, at: '9:00', timezone: UTC, days: [mon], channels: [oncall], include: [counts]}
"""
)


class Folder:
    """A folder with a configuration and the files that it names."""

    def __init__(self, path: Path) -> None:
        """Put the secrets there."""
        self.path = path
        (path / "smtp-password").write_text(PASSWORD + "\n")
        (path / "empty").write_text("\n")
        (path / "bad-url").write_text("http://hooks.slack.example/the-webhook-secret\n")
        (path / "latin").write_bytes(b"the-webhook-secret\xe9")

    def load(self, text: str) -> loading.Loaded:
        """Load the text as the folder's configuration."""
        file = self.path / "alert-receiver.yml"
        file.write_text(text)
        environ = {"SLACK_WEBHOOK_URL": URL, "EMPTY": "", "BOT": "xoxb-the-bot-secret", "TOKEN": "the-token-secret"}
        return loading.load(file, environ)

    def problems(self, text: str) -> list[str]:
        """What loading says is wrong, without the name of the file."""
        with pytest.raises(ConfigError) as failed:
            self.load(text)
        return self.told(failed.value.problems)

    def told(self, problems: tuple[object, ...]) -> list[str]:
        """The problems as they are printed, without the name of the file."""
        return [str(problem).removeprefix(f"{self.path}/alert-receiver.yml").lstrip(": ") for problem in problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_documented_example_loads_and_warns_of_what_is_not_in_force(folder: Folder) -> None:
    loaded = folder.load(EXAMPLE)
    assert folder.told(loaded.warnings) == [
        f"{line}: {key}: accepted, but not in force yet"
        for line, key in [
            (3, "storage.retention"),
        ]
    ]
    assert [channel.name for channel in loaded.config.channels] == ["ops", "oncall", "shell"]
    assert loaded.config.smtp.password == Secret(PASSWORD)


def test_what_is_planned_is_accepted_and_said_not_to_be_in_force(folder: Folder) -> None:
    loaded = folder.load(LATER)
    warnings = [warning for warning in folder.told(loaded.warnings) if int(warning.split(":")[0]) > 46]
    assert [warning.split(": ")[1] for warning in warnings] == [
        "heartbeats",
        "reports",
    ]


def test_the_example_says_nothing_but_the_built_in_values(folder: Folder) -> None:
    written = folder.load(EXAMPLE).config
    short = folder.load("channels: [{name: shell, type: console}]").config
    throttle = written.defaults.throttle
    assert (throttle.messages, throttle.per, throttle.burst) == (6, 60_000, 6)
    assert (short.storage, short.severity) == (written.storage, written.severity)
    assert short.ignore_labels == written.ignore_labels
    for name in short.defaults.__struct_fields__:
        if name != "throttle":
            assert getattr(short.defaults, name) == getattr(written.defaults, name), name


def test_without_a_configuration_everything_goes_to_the_console() -> None:
    loaded = loading.embedded()
    assert loaded.config.channels == (ConsoleChannel(name="console"),)
    assert loaded.config.storage.url == "sqlite:///alert-receiver.db"
    assert loaded.warnings == ()


def test_a_configuration_without_catch_all_is_warned_of(folder: Folder) -> None:
    loaded = folder.load("channels:\n- {name: a, type: console, matchers: [a=b]}")
    assert folder.told(loaded.warnings) == [
        "1: channels: no channel takes every alert; one without matchers would tell what no other takes"
    ]


CONSOLE = "channels: [{name: c, type: console}]\n"
LAPSE = "an alert may lapse between two reminders; let expire_after be the longer"
AGAIN = "whatever Alertmanager repeats is told again; let repeat_interval be the longer"
SLOW = "urgent news waits as long as any other; let urgent_interval be the shorter"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "defaults: {repeat_interval: 1d}",
            [f"2: defaults.repeat_interval: repeat_interval is 1d, expire_after 1d: {LAPSE}"],
        ),
        ("expire_after: 4h", [f"2: expire_after: repeat_interval is 4h, expire_after 4h: {LAPSE}"]),
        ("expire_after: 4h1s", []),
        (
            "defaults: {repeat_interval: 2m}",
            [f"2: defaults.repeat_interval: repeat_interval is not longer than group_interval, which is 2m: {AGAIN}"],
        ),
        (
            "defaults: {group_interval: 5h}",
            [f"2: defaults.group_interval: repeat_interval is not longer than group_interval, which is 5h: {AGAIN}"],
        ),
        (
            "defaults: {urgent_interval: 3m}",
            [f"2: defaults.urgent_interval: is longer than group_interval, which is 2m: {SLOW}"],
        ),
        ("defaults: {urgent_interval: 3m, urgent: []}", []),
        ("defaults: {urgent_interval: 2m}", []),
        ("defaults: {group_interval: 30s}", []),
    ],
)
def test_intervals_that_get_in_each_others_way_are_warned_of(folder: Folder, text: str, told: list[str]) -> None:
    assert folder.told(folder.load(CONSOLE + text).warnings) == told


def test_a_fallback_with_the_same_mail_server_is_warned_of(folder: Folder) -> None:
    text = """\
smtp: {host: mail.example.com}
channels:
- {name: a, type: email, to: [a@example.com], from: x@example.com, fallback: bb}
- {name: b, alias: bb, type: email, to: [b@example.com], from: x@example.com, fallback: c}
- {name: c, type: email, to: [c@example.com], from: x@example.com, host: other.example.com, fallback: d}
- {name: d, type: console}
"""
    assert folder.told(folder.load(text).warnings) == [
        "3: channels[0].fallback: has the same mail server as this channel, and fails together with it; "
        "name a channel of another type, or with a host of its own"
    ]


def test_a_channels_own_interval_is_warned_of_at_the_channel_and_what_all_share_once(folder: Folder) -> None:
    loaded = folder.load("""\
defaults: {repeat_interval: 3d}
channels:
- {name: a, type: console}
- {name: b, type: console}
- {name: c, type: console, repeat_interval: 2d}
- {name: d, type: console, repeat_interval: 1h}
""")
    assert [warning.split(": ")[1] for warning in folder.told(loaded.warnings)] == [
        "defaults.repeat_interval",
        "channels[2].repeat_interval",
    ]


def test_all_problems_are_told_at_once_each_with_its_line(folder: Folder) -> None:
    assert folder.problems("""\
smtp:
  prot: 25
  timeout: 30
channels:
  - name: a
    type: console
    group_wiat: 10s
    matchers: ['a=~"("']
  - name: a
    type: slak
  - type: email
    to: [nobody]
    from: a@example.com
  - name: b
    type: slack
    webhook_url_env: NOT_SET
    fallback: aa
""") == [
        '2: smtp.prot: unknown key; did you mean "port"?',
        "3: smtp.timeout: a duration needs a unit; did you mean 30s?",
        '7: channels[0].group_wiat: unknown key; did you mean "group_wait"?',
        "8: channels[0].matchers[0]: column 4: not a regular expression: missing )",
        "9: channels[1].name: is the name or alias of another channel, or of this one",
        '10: channels[1].type: no such type of channel; did you mean "slack"?',
        "11: channels[2].name: is missing; a channel's name: no spaces, none of / ? # %",
        "11: channels[2].host: is missing; give it here or in smtp",
        "12: channels[2].to[0]: is no mail address; write user@example.com",
        "16: channels[3].webhook_url_env: this environment variable is not set",
        '17: channels[3].fallback: no channel has this name; did you mean "a"?',
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a", "1: the file must be a mapping"),
        ("a: [", "1: not YAML: while parsing a flow node"),
        ("a: b: c", "1: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2", "2: not YAML: expected a single document"),
        ("a: \x01", "1: not YAML: a character that YAML does not allow"),
        ("a: &a [*a]", "1: an alias that contains itself"),
        ("a: &a {<<: *a}", "1: an alias that contains itself"),
        ("[" * 5000, "nested too deeply"),
        ("a: " + "[" * 60 + "]" * 60, "1: nested too deeply"),
        (CONSOLE + "channels: []", "2: channels: duplicate key; the first is in line 1"),
        (CONSOLE + "[a]: b", "2: ?: a key must be a text"),
        (CONSOLE + "storage: {<<: 7}", "2: storage.<<: only mappings can be merged"),
        (CONSOLE + "ignore_labels: [!x y]", "2: ignore_labels[0]: YAML tags (!name) have no meaning here"),
        (CONSOLE + "chanels: []", '2: chanels: unknown key; did you mean "channels"?'),
        (CONSOLE + "smtp:", "2: smtp: has no value; give it one, or leave the key out"),
        (CONSOLE + "smtp: [1]", "2: smtp: must be a mapping (key: value)"),
        (CONSOLE + "severity: {levels: [1], default: '1'}", "2: severity.levels[0]: must be a text; quote it"),
        (CONSOLE + "smtp: {port: 70000}", "2: smtp.port: must be at most 65535"),
        (CONSOLE + "smtp: {port: '25'}", "2: smtp.port: must be a whole number"),
        (CONSOLE + "smtp: {security: stattls}", '2: smtp.security: is none of the possible values; did you mean "star'),
        (CONSOLE + "smtp: {host: 'a:25'}", "2: smtp.host: must be a name or an address, without a port"),
        (CONSOLE + "smtp: {timeout: 0}", "2: smtp.timeout: must be longer than 0"),
        (CONSOLE + "smtp: {ca_file: missing}", "2: smtp.ca_file: can't use this file: no such file or directory"),
        (CONSOLE + "smtp: {ca_file: empty}", "2: smtp.ca_file: can't use this file: no certificates in PEM form"),
        (CONSOLE + "defaults: {group_wait: 1x}", "2: defaults.group_wait: not a duration; write one such as 30s"),
        (CONSOLE + "defaults: {group_wait: true}", "2: defaults.group_wait: must be a duration such as 30s or 1h30m"),
        (CONSOLE + "defaults: {group_wait: 999y}", "2: defaults.group_wait: too long a duration"),
        (CONSOLE + "defaults: {send_resolved: 'no'}", "2: defaults.send_resolved: must be true or false"),
        (CONSOLE + "defaults: {group_by: [a, a]}", "2: defaults.group_by: lists something twice"),
        (CONSOLE + "defaults: {group_by: ['...', a]}", "2: defaults.group_by: '...' is every label already"),
        (CONSOLE + "defaults: {group_threshold: 0}", "2: defaults.group_threshold: must be at least 1"),
        (CONSOLE + "defaults: {throttle: {burst: 0}}", "2: defaults.throttle.burst: must be at least 1"),
        (CONSOLE + "defaults: {throttle: {per: 0s}}", "2: defaults.throttle.per: must be longer than 0"),
        (CONSOLE + "defaults: {urgent: ['a']}", "2: defaults.urgent[0]: column 2: expected an operator"),
        (CONSOLE + "defaults: {urgent: ['{}']}", "2: defaults.urgent[0]: holds no matcher and would match every alert"),
        (CONSOLE + "defaults: {urgent: ['']}", "2: defaults.urgent[0]: is empty; one or more matchers"),
        (CONSOLE + "defaults: {urgent: [' ']}", "2: defaults.urgent[0]: "),
        (CONSOLE + "defaults: {urgent: ['a=b,c=~\"(\"']}", "2: defaults.urgent[0]: column 8: not a regular expression"),
        (CONSOLE + "defaults: {urgent: a=b}", "2: defaults.urgent: must be a list"),
        ("channels: [{name: a, type: console, urgent: [a=b, '{}']}]", "1: channels[0].urgent[1]: holds no matcher"),
        (CONSOLE + "defaults: {retry_for: 0}", "2: defaults.retry_for: must be longer than 0"),
        (CONSOLE + "defaults: {repeat_interval: 0}", "2: defaults.repeat_interval: must be longer than 0"),
        (CONSOLE + "expire_after: 0s", "2: expire_after: must be longer than 0"),
        (CONSOLE + "reorder_window: 2", "2: reorder_window: a duration needs a unit; did you mean 2s?"),
        (CONSOLE + "defaults: {min_severity: wran}", "2: defaults.min_severity: is no severity level; there are: none"),
        (CONSOLE + "severity: {default: warn}", '2: severity.default: is no level; did you mean "warning"?'),
        (CONSOLE + "severity: {levels: [warning, Warning]}", "2: severity.levels: lists a level twice"),
        (CONSOLE + "severity: {aliases: {p1: crit}}", '2: severity.aliases.p1: is no level; did you mean "critical"?'),
        (CONSOLE + "severity: {aliases: {INFO: error}}", "2: severity.aliases.INFO: is a level itself"),
        (CONSOLE + "storage: {url: 'postgresql://u:pw@h/d'}", "2: storage.url: PostgreSQL is not supported yet"),
        (CONSOLE + "storage: {url: 'sqlite://'}", "2: storage.url: is no database that can be used"),
        (CONSOLE + "storage: {url: 'sqlite:///:memory:'}", "2: storage.url: is not durable"),
        (CONSOLE + "storage: {url: 'sqlite:///?mode=memory'}", "2: storage.url: is not durable"),
        (CONSOLE + "storage: {url: 'sqlite:///x?mode=memory&uri=true'}", "2: storage.url: is not durable"),
        (CONSOLE + "storage: {url: 'sqlite:///file:x?mode=memory&uri=true'}", "2: storage.url: is not durable"),
        (CONSOLE + "storage: {url: 'sqlite:///file::memory:?uri=true'}", "2: storage.url: is not durable"),
        (CONSOLE + "notices: [d]", "2: notices[0]: no channel has this name; there is: c"),
        (CONSOLE + "auth: {tokens: [{name: a, scopes: [read]}]}", "2: auth.tokens[0].token: is missing"),
        (CONSOLE + "auth: {tokens: [{name: a, token: t, scopes: [all]}]}", "2: auth.tokens[0].scopes[0]: is none of"),
        (
            CONSOLE + "heartbeats: [{name: h, matchers: [a], within: 1m, channels: [x]}]",
            "2: heartbeats[0].channels[0]: no channel has this name",
        ),
        (
            CONSOLE + "reports: [{name: r, at: '25:00', channels: [c]}]",
            "2: reports[0].at: must be a time such as 09:00",
        ),
        (
            CONSOLE + "reports: [{name: r, at: '9:00', timezone: Mars, channels: [c]}]",
            "2: reports[0].timezone: is no time zone",
        ),
        ("smtp: a\nchannels: [{name: a, type: email}]", "1: smtp: must be a mapping"),
        ("smtp: []\nchannels: [{name: a, type: email}]", "2: channels[0].to: is missing; who gets the mail"),
        (
            CONSOLE + "auth: {tokens: [{name: a, token: t, scopes: [read]}, {name: a, token: u, scopes: [read]}]}",
            "2: auth.tokens[1].name: is taken",
        ),
        ("smtp: {}", "1: channels: is missing; where alerts are told, in order"),
        ("channels: {}", "1: channels: must be a list"),
        ("channels: []", "1: channels: is an empty list"),
        ("channels: [7]", "1: channels[0]: must be a mapping (key: value)"),
        ("channels: [{name: a}]", "1: channels[0].type: is missing; one of slack, email, console"),
        ("channels: [{name: a, type: [b]}]", "1: channels[0].type: no such type of channel"),
        ("channels: [{name: a/b, type: console}]", "1: channels[0].name: is not as it should be; a channel's name"),
        ('channels: [{name: "a\\n", type: console}]', "1: channels[0].name: is not as it should be"),
        ("channels: [{name: a, alias: a, type: console}]", "1: channels[0].alias: is the name or alias of another"),
        (
            "channels: [{name: a, alias: z, type: console, fallback: zz}, {name: b, type: console}]",
            "1: channels[0].fallback: no channel has this name; there is: b",
        ),
        (
            "channels: [{name: a, type: console, fallback: x}, {name: b, type: console}, {name: c, type: console}]",
            "1: channels[0].fallback: no channel has this name; there are: b, c",
        ),
        (
            CONSOLE + "auth: {tokens: [{name: a, token: t, scopes: []}]}",
            "2: auth.tokens[0].scopes: is an empty list; there are: admin, read, webhook",
        ),
        ("channels: [{name: a, type: console, fallback: a}]", "1: channels[0].fallback: must be another channel"),
        ("channels: [{name: a, type: console, to: [b]}]", "1: channels[0].to: unknown key"),
        ("channels: [{name: a, type: console, matchers: a=b}]", "1: channels[0].matchers: must be a list"),
    ],
)
def test_each_mistake_is_told_where_it_is(folder: Folder, text: str, told: str) -> None:
    problems = folder.problems(text)
    assert any(problem.startswith(told) for problem in problems), problems


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("webhook_url: ''", "webhook_url: is empty"),
        ("webhook_url: 12345", "webhook_url: must be a text; quote it"),
        ("mention: {}", "webhook_url: is missing; or give webhook_url_file or webhook_url_env"),
        ("bot_token_env: BOT", 'channel: is missing; name the Slack channel that the bot writes to, "#ops"'),
        ("bot_token_env: BOT, channel: 'ops team'", "channel: is no Slack channel; a name such as"),
        ("bot_token_env: BOT, channel: ops, api_url: 'http://slack.example/'", "api_url: is no https URL"),
        (
            "bot_token_env: BOT, channel: ops, webhook_url: 'https://example.com/the-webhook-secret'",
            "bot_token_env: is given beside a webhook_url",
        ),
        ("webhook_url: 'https://example.com/x', channel: '#ops'", "channel: is for a bot_token alone"),
        ("webhook_url: 'https://example.com/x', mention: {critical: '@here'}", "mention.critical: mentions nobody"),
        ("webhook_url: 'https://example.com/x', mention: {urgnt: '<!here>'}", "mention.urgnt: is no severity level"),
        ("webhook_url: 'http://example.com/the-webhook-secret'", "webhook_url: is no https URL"),
        ("webhook_url: 'https://[the-webhook-secret'", "webhook_url: is no https URL"),
        ("webhook_url: 'https://example.com:x/the-webhook-secret'", "webhook_url: is no https URL"),
        ('webhook_url: "https://example.com/the-webhook-secret\\n"', "webhook_url: is no https URL"),
        ("webhook_url_file: bad-url", "webhook_url_file: is no https URL (http is for loopback only)"),
        ("webhook_url_file: missing", "webhook_url_file: can't read this file in the folder "),
        ("webhook_url_file: the-webhook-secret", "webhook_url_file: can't read this file in the folder "),
        ("webhook_url_file: /the-webhook-secret", "webhook_url_file: can't read this absolute path: no such file"),
        (
            "webhook_url_file: /the/webhook/the-webhook-secret",
            "webhook_url_file: can't read this absolute path: no such",
        ),
        (
            "webhook_url_file: https://a.example/the-webhook-secret",
            "webhook_url_file: can't read this file in the folder ",
        ),
        ("webhook_url_file: .", "webhook_url_file: can't read this file in the folder "),
        ('webhook_url_file: "\\0"', "webhook_url_file: can't read this file: its name can't be one"),
        ("webhook_url_file: /dev/zero", "webhook_url_file: this file is too long to hold a secret"),
        ("webhook_url_file: latin", "webhook_url_file: this file is not UTF-8"),
        ("webhook_url_file: empty", "webhook_url_file: this file is empty"),
        ("webhook_url_env: EMPTY", "webhook_url_env: this environment variable is empty"),
        ("webhook_url_env: the-webhook-secret", "webhook_url_env: this environment variable is not set"),
        (
            "webhook_url: 'https://example.com/the-webhook-secret', webhook_url_env: BOT",
            "webhook_url_env: is given beside webhook_url; exactly one of them says it",
        ),
    ],
)
def test_a_slack_channel_needs_one_webhook_and_no_mistake_shows_it(folder: Folder, keys: str, told: str) -> None:
    [problem] = folder.problems(f"channels: [{{name: a, type: slack, {keys}}}]")
    assert problem.startswith(f"1: channels[0].{told}")
    assert "the-webhook-secret" not in problem


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda file: None, "no such file or directory; create it, or give webhook_url_env"),
        (Path.mkdir, "is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_where_it_was_looked_for(
    folder: Folder, tmp_path: Path, make: Callable[[Path], None], told: str
) -> None:
    file = tmp_path / "webhook"
    make(file)
    [absolute] = folder.problems(f"channels: [{{name: a, type: slack, webhook_url_file: {file}}}]")
    assert absolute == f"1: channels[0].webhook_url_file: can't read {file}: {told}"
    [relative] = folder.problems("channels: [{name: a, type: slack, webhook_url_file: webhook}]")
    assert relative == f"1: channels[0].webhook_url_file: can't read this file in the folder {tmp_path}: {told}"


def test_a_file_of_somebody_else_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        reader = credentials.Reader(tmp_path, {})
        reader.read({"channels": [{"webhook_url_file": f"{tmp_path}/webhook"}]})
    [finding] = reader.findings
    assert finding.wrong == f"can't read {tmp_path}/webhook: permission denied"
    assert finding.right == "let the receiver's user read it"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("to: [nobody]", "to[0]: is no mail address"),
        ('to: ["a@example.com\\r\\nBcc: b@example.com"]', "to[0]: is no mail address"),
        ("to: ['a@example.com, b@example.com']", "to[0]: is no mail address"),
        ("to: []", "to: is an empty list; who gets the mail"),
        ("from: Alerts", "from: is no mail address"),
        ("from: 'Acme, Inc. <a@example.com>'", "from: is not one address with a name; quote the name"),
        ("from: 'Acme: x <a@example.com>'", "from: is not one address with a name; quote the name"),
        ("from: '\"Acme <a@example.com>'", "from: is not one address with a name; quote the name"),
        ('from: "A\\n <a@example.com>"', "from: is no mail address"),
        ("username: a", "username: needs a password"),
        ("password_file: smtp-password", "password_file: needs a username"),
        ("username: a, password: 12345", "password: must be a text"),
        (
            "username: a, password: the-smtp-password, security: none",
            "security: a password would go over the network unencrypted",
        ),
    ],
)
def test_an_email_channel_is_checked(folder: Folder, keys: str, told: str) -> None:
    rest = "".join(
        f", {key}: {value}"
        for key, value in {"to": "[a@example.com]", "from": "a@example.com"}.items()
        if not keys.startswith(key)
    )
    [problem] = folder.problems(f"channels: [{{name: a, type: email, host: mail.example.com, {keys}{rest}}}]")
    assert problem.startswith(f"1: channels[0].{told}")
    assert PASSWORD not in problem


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_password_may_go_unencrypted_to_loopback(folder: Folder, host: str) -> None:
    folder.load(f"""\
smtp: {{host: '{host}', security: none, username: a, password: p}}
channels: [{{name: a, type: email, to: [a@example.com], from: a@example.com}}]
""")


def test_fallbacks_in_a_circle_are_told_once(folder: Folder) -> None:
    assert folder.problems("""\
channels:
- {name: a, type: console, fallback: b}
- {name: b, alias: bb, type: console, fallback: c}
- {name: c, type: console, fallback: bb}
- {name: d, type: console, fallback: a}
""") == ["4: channels[2].fallback: goes in a circle: b → c → b"]


def test_anchors_and_merge_keys_work_and_own_keys_win(folder: Folder) -> None:
    loaded = folder.load("""\
channels:
- &base {name: a, type: console, group_wait: 1s, group_interval: 1m}
- {<<: *base, name: b, group_wait: 2s}
- {<<: [{name: c}, *base]}
""")
    assert [(c.name, c.group_wait, c.group_interval) for c in loaded.config.channels] == [
        ("a", 1_000, 60_000),
        ("b", 2_000, 60_000),
        ("c", 1_000, 60_000),
    ]


@pytest.mark.parametrize("step", ["[{}]", "{{<<: [{}]}}"])
def test_multiplying_aliases_end_in_an_error_and_not_in_a_hang(folder: Folder, step: str) -> None:
    lines = ["x0: &x0 {a: 1}"]
    lines += [f"x{i + 1}: &x{i + 1} " + step.format(", ".join([f"*x{i}"] * 9)) for i in range(9)]
    [problem] = folder.problems("\n".join(lines))
    assert "too large" in problem


def test_the_files_of_secrets_are_known_and_a_changed_one_tells_itself(folder: Folder) -> None:
    fifo = folder.path / "fifo"
    os.mkfifo(fifo)
    loaded = folder.load(EXAMPLE)
    [(file, before)] = loaded.secret_files.items()
    assert file == folder.path / "smtp-password"
    assert fingerprint(file) == before
    file.write_text("rotated")
    assert fingerprint(file) not in (before, None)
    file.unlink()
    assert fingerprint(file) is None
    # Nobody writes to it: reading it would never end.
    assert fingerprint(fifo) is None
    assert PASSWORD.encode() not in (before or b"")


def test_a_file_that_can_not_be_read_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"a: b\nc: \xe9")
    (tmp_path / "large.yml").write_text(" " * (loading.LARGEST + 1))
    for name, told in [
        ("missing.yml", "missing.yml: can't be read: No such file or directory"),
        ("latin.yml", "latin.yml:2: not UTF-8"),
        ("large.yml", "large.yml: too large"),
    ]:
        with pytest.raises(ConfigError, match=told):
            loading.load(tmp_path / name, {})


@pytest.mark.parametrize(
    ("keys", "silent"),
    [
        ("mention: {critical: '<!here>'}", []),
        ("mention: {page: '<!here>'}", []),
        ("mention: {warning: '<!here>'}", ["warning"]),
        ("mention: {critical: '<!here>', info: '<!here>'}, urgent: []", ["critical", "info"]),
        ("mention: {warning: '<!here>'}, urgent: ['severity=~\"warning|critical\"']", []),
        ("mention: {warning: '<!here>'}, urgent: ['severity=\"critical\"', 'team=\"db\"']", []),
        ("mention: {warning: '<!here>'}, urgent: ['severity=\"critical\",team=\"db\"']", ["warning"]),
    ],
)
def test_a_mention_that_nobody_will_ever_get_is_told(folder: Folder, keys: str, silent: list[str]) -> None:
    text = "channels: [{name: a, type: slack, webhook_url: 'https://example.com/x', " + keys + "}]"
    assert folder.told(folder.load(text).warnings) == [
        f"1: channels[0].mention.{level}: mentions nobody, for alerts of this severity are never urgent here; "
        "let a matcher set of urgent match them, too"
        for level in silent
    ]


def test_secrets_show_neither_in_the_configuration_nor_in_errors_nor_in_pickles(folder: Folder) -> None:
    loaded = folder.load(LATER)
    inline = folder.load(f"channels: [{{name: a, type: slack, webhook_url: '{URL}'}}]")
    for shown in (repr(loaded), repr(inline), str(loaded.warnings)):
        assert not any(secret in shown for secret in (URL, PASSWORD, "the-bot-secret", "the-token-secret"))
    with pytest.raises(TypeError):
        pickle.dumps(loaded.config)
    assert loaded.config.smtp.password == Secret(PASSWORD)
    try:
        folder.load(f"channels: [{{name: a, type: slack, webhook_url: '{URL}', x: 1}}]")
    except ConfigError:
        assert "the-webhook-secret" not in traceback.format_exc()


@pytest.mark.parametrize(
    "value",
    ["*the-smtp-password", "!the-smtp-password", "'the-smtp-password", "%the-smtp-password", "&the-smtp-password"],
)
def test_a_password_that_yaml_takes_for_something_else_does_not_show(folder: Folder, value: str) -> None:
    problems = folder.problems(f"smtp: {{password: {value} }}\n{CONSOLE}")
    assert not any(PASSWORD in problem for problem in problems)


def test_control_characters_of_the_file_do_not_reach_the_terminal(folder: Folder) -> None:
    [problem] = folder.problems(CONSOLE + '"\\e[31m\\n": 1')
    assert problem.startswith("2: \\x1b[31m\\n: unknown key")


def test_numbers_and_times_keep_their_meaning(folder: Folder) -> None:
    loaded = folder.load(
        """\
channels: [{name: c, type: console, throttle: {messages: 6.0, per: 0x}}]
reports: [{name: r, at: 9:30, channels: [c]}]
""".replace("0x", "1m")
    )
    assert loaded.config.reports[0].at == "9:30"


LINES = EXAMPLE.splitlines(keepends=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(LINES) - 1),
    st.one_of(
        st.sampled_from(["", "  - 7\n", "    name: [{}]\n", "  : \n", "channels: 3\n", "    type: email\n", "  ? a\n"]),
        st.text(max_size=20),
    ),
)
def test_whatever_a_line_is_replaced_by_it_loads_or_says_why_not(folder: Folder, at: int, line: str) -> None:
    problems = []
    try:
        folder.load("".join([*LINES[:at], line, *LINES[at + 1 :]]))
    except ConfigError as error:
        problems = folder.told(error.problems)
    assert all(problem and PASSWORD not in problem for problem in problems)
