"""``alert-receiver render``: what a channel would say of a notification, and why it would say nothing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from receiver.cli import main

CAPTURED = Path(__file__).parent / "captured"

CONFIG = """\
channels:
  - name: mail
    alias: post
    type: email
    to: [a@example.com]
    from: a@example.com
    host: mail.example.com
    throttle: {messages: 1, per: 1h}
    templates:
      subject: "{{ status }}: {{ alerts[0].name }}"
      html: "<p>{{ alerts[0].annotations.get('runbook_url', '') | link('Runbook') }}</p>"
  - name: slack
    type: slack
    webhook_url_file: nowhere
    templates: {slack: "*{{ alerts[0].name }}* & {{ counts.total }}"}
  - {name: severe, type: console, min_severity: critical}
  - {name: others, type: console, matchers: ['alertname="Other"']}
  - {name: silent, type: console, send_resolved: false}
  - {name: lame, type: console, templates: {text: "{{ {'x': 1}[alerts[0].labels.get('service', 'x')] }}"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "alert-receiver.yml"
    path.write_text(CONFIG)
    return path


def render(config: Path, channel: str, body: str | bytes, *more: str) -> Result:
    name = str(CAPTURED / f"{body}.json") if isinstance(body, str) else "-"
    given = None if isinstance(body, str) else body
    command = ["render", "--config.file", str(config), "--channel", channel, *more, name]
    return CliRunner().invoke(main, command, input=given)


def test_a_mail_is_shown_as_its_templates_make_it(config: Path) -> None:
    result = render(config, "mail", "firing")
    assert result.exit_code == 0, result.output
    first, *rest = result.stdout.splitlines()
    assert first == "subject: firing: HighErrorRate"
    assert "Firing: HighErrorRate (warning)" in rest
    assert any("of HTML: --part html shows" in row for row in rest)
    assert result.stderr == ""


def test_a_part_is_shown_just_as_it_is(config: Path) -> None:
    assert render(config, "post", "firing", "--part", "subject").stdout == "firing: HighErrorRate\n"
    assert render(config, "mail", "firing", "--part", "html").stdout.startswith('<p><a href="https://runbooks')
    message = json.loads(render(config, "slack", "firing", "--part", "slack").stdout)
    assert message["blocks"][-1]["text"]["text"] == "*HighErrorRate* & 1"


def test_what_has_resolved_is_shown_as_if_it_had_been_told(config: Path) -> None:
    result = render(config, "mail", "resolved-2-resolved", "--part", "subject")
    assert (result.exit_code, result.stdout) == (0, "resolved: HighErrorRate\n")


def test_each_group_has_its_message_at_once_whatever_the_throttle(config: Path) -> None:
    result = render(config, "mail", "multi")
    assert [row for row in result.stdout.splitlines() if row.startswith("===")] == [
        f"=== message {n} of 3 ===" for n in (1, 2, 3)
    ]


def test_a_channel_without_templates_is_shown_as_it_is(config: Path) -> None:
    result = render(config, "silent", "firing")
    assert (result.exit_code, result.stdout.splitlines()[2]) == (0, "Firing: HighErrorRate (warning)")


@pytest.mark.parametrize(
    ("channel", "body", "why"),
    [
        ("severe", "firing", "1 alert is less severe than the channel's min_severity, critical"),
        ("others", "multi", "3 alerts do not match the channel's matchers"),
        ("silent", "resolved-2-resolved", "silent: 1 unannounced (send_resolved is off)"),
        ("mail", b'{"alerts": []}', "it holds no alerts"),
    ],
)
def test_why_nothing_comes_out_is_said(config: Path, channel: str, body: str | bytes, why: str) -> None:
    result = render(config, channel, body)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{channel} tells nothing of this notification:\n  {why}\n"


def test_a_failing_template_shows_the_built_in_form_and_what_is_wrong(config: Path) -> None:
    result = render(config, "lame", "firing")
    assert result.exit_code == 1
    assert "The channel's own template for text failed (line 1: something is undefined)" in result.stdout
    assert "Firing: HighErrorRate" in result.stdout
    assert result.stderr == (
        "the template for text, line 1: something is undefined: 'dict object' has no attribute 'checkout-api'; "
        "the built-in form goes out instead\n"
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b" ", "stdin: is empty\n"),
        (b"[]", "stdin: not a notification: expected object, got array\n"),
        (
            b"{}",
            "stdin: not a notification: $.alerts: missing; has Alertmanager's `payload:` option replaced the body?\n",
        ),
        (b"nonsense", "stdin: not JSON\n"),
        ("no-such-file", "can't be read: No such file or directory\n"),
    ],
)
def test_what_is_no_notification_is_refused_as_the_webhook_does(config: Path, body: str | bytes, why: str) -> None:
    result = render(config, "mail", body)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(why)


def test_a_file_that_is_no_notification_is_named(config: Path) -> None:
    result = CliRunner().invoke(main, ["render", "--config.file", str(config), "--channel", "mail", str(config)])
    assert (result.exit_code, result.stderr) == (1, f"{config}: not JSON\n")


def test_wrong_use_is_said(config: Path) -> None:
    unknown = render(config, "maul", "firing")
    assert unknown.exit_code == 2
    assert "no channel is called 'maul'; there are: mail (or post), slack, severe" in unknown.stderr
    foreign = render(config, "slack", "firing", "--part", "html")
    assert foreign.exit_code == 2
    assert "the messages of a Slack channel have no html" in foreign.stderr


def test_a_broken_configuration_is_told_like_by_any_command(config: Path) -> None:
    config.write_text("channels: [{name: a, type: console, templates: {html: x}, group_wiat: 1s}]\n")
    result = render(config, "a", "firing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown key" in result.stderr
    assert "a console channel has no such part" in result.stderr


def test_a_template_that_fails_for_others_is_a_warning_and_another_channels_is_none(config: Path) -> None:
    config.write_text(
        "channels:\n"
        "  - {name: a, type: console, templates: {subject: '{{ alerts[0].labels.service }}', text: fine}}\n"
        "  - {name: b, type: console, templates: {text: '{{ nobody }}'}}\n"
    )
    result = render(config, "a", "firing")
    assert (result.exit_code, result.stdout) == (0, "subject: checkout-api\n\nfine\n\n")
    assert result.stderr == (
        "warning: the template for subject, line 1: 'service' is undefined; "
        "where it may be missing, write .get('service', '')\n"
    )
    result = render(config, "b", "firing")
    assert (result.exit_code, "Firing: HighErrorRate" in result.stdout) == (1, True)
    assert result.stderr.startswith("the template for text, line 1: 'nobody' is undefined; there are: alerts, ")


@pytest.mark.parametrize("part", ["all", "slack"])
def test_slacks_message_is_readable_and_its_text_is_shown_once(config: Path, part: str) -> None:
    config.write_text(
        "channels:\n  - {name: s, type: slack, webhook_url_file: x, templates: {text: Überlast, slack: Größe}}\n"
    )
    shown = render(config, "s", "firing", "--part", part).stdout
    assert shown.count("Überlast") == 1
    assert "Größe" in shown
