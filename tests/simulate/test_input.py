"""What is wrong with the lines is told with its line, all of it at once, before anything happens."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from receiver.cli import main

AT = '"at": "2026-11-20T21:00:00Z"'
BODY = '{"alerts": [{"status": "firing", "labels": {"alertname": "Disk"}}]}'


def simulate(folder: Path, text: str | bytes, *options: str) -> Result:
    """The command on a file with this text."""
    (folder / "events.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    return CliRunner().invoke(main, ["simulate", str(folder / "events.jsonl"), *options])


def problems(folder: Path, *lines: str | bytes) -> list[str]:
    """What is wrong with these lines, the file's name left out."""
    text = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    result = simulate(folder, text, "--output=json")
    assert result.exit_code == 1
    assert result.stdout == ""
    return [line.removeprefix(f"{folder / 'events.jsonl'}:") for line in result.stderr.splitlines()]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("notification", "not a JSON object; one line, one object: "),
        ("[1]", "not a JSON object; one line, one object: "),
        (b'{"at": "\xff"}', "not a JSON object; one line, one object: "),
        ("[" * 100_000, "not a JSON object; one line, one object: "),
        (f'{{"notification": {BODY}}}', "at: is missing; when it happens, such as 2026-11-20T21:00:00Z"),
        (f'{{"at": 7, "notification": {BODY}}}', "at: must be a text; when it happens, such as "),
        (f'{{"at": "21:00", "notification": {BODY}}}', "at: not a time that can be used; write it as "),
        (f'{{"at": "2026-11-20T21:00:00", "notification": {BODY}}}', "at: not a time that can be used; write it as "),
        (f'{{"at": "9999-01-01T00:00:00Z", "notification": {BODY}}}', "at: not a time that can be used; write it as "),
        (
            f"{{{AT}}}",
            "does not say what happens; exactly one of notification, outage, reject, mute, reload, restart, clock",
        ),
        (f'{{{AT}, "restart": true, "clock": "+1h"}}', "says several things: restart, clock; exactly one of "),
        (f'{{{AT}, "restart": true, "chanel": "ops"}}', "chanel: unknown key; there are: at, restart"),
        (f'{{{AT}, "notification": {BODY}, "chanel": "ops"}}', 'chanel: unknown key; did you mean "channel"?'),
        (f'{{{AT}, "notification": {BODY}, "channel": 7}}', "channel: must be a text"),
        (f'{{{AT}, "notification": {{}}}}', "notification: $.alerts: missing; has Alertmanager's `payload:` option"),
        (f'{{{AT}, "outage": "2h"}}', "outage: must be an object; with channel, for, class"),
        (f'{{{AT}, "outage": {{"for": "2h"}}}}', "outage.channel: is missing"),
        (
            f'{{{AT}, "outage": {{"channel": "consol", "for": "2h"}}}}',
            'outage.channel: no channel has this name; did you mean "console"?',
        ),
        (
            f'{{{AT}, "outage": {{"channel": "console", "for": "2"}}}}',
            "outage.for: is no length of time; write one such as 30s, 5m or 1h30m, largest unit first",
        ),
        (f'{{{AT}, "outage": {{"channel": "console", "for": "0s"}}}}', "outage.for: is no length of time; "),
        (f'{{{AT}, "outage": {{"channel": "console", "for": 7200}}}}', "outage.for: must be a text"),
        (
            f'{{{AT}, "outage": {{"channel": "console", "for": "2h", "class": "transcient"}}}}',
            'outage.class: is no class of an outage; did you mean "transient"?',
        ),
        (
            f'{{{AT}, "reject": {{"channel": "console", "messages": 0}}}}',
            "reject.messages: is no number of messages; a whole number, 1 or more",
        ),
        (f'{{{AT}, "reject": {{"channel": "console", "messages": true}}}}', "reject.messages: is no number of "),
        (f'{{{AT}, "mute": {{"matchers": [], "for": "1h"}}}}', "mute.matchers: must be a list of texts; such as "),
        (f'{{{AT}, "mute": {{"matchers": ["a"], "for": "1h"}}}}', "mute.matchers[0]: column 2: "),
        (
            f'{{{AT}, "mute": {{"matchers": ["a!=\\"b\\""], "for": "1h"}}}}',
            "mute.matchers: one matcher at least must not match the empty value",
        ),
        (
            f'{{{AT}, "mute": {{"matchers": ["a=b"], "for": "1h", "channels": ["mail"]}}}}',
            "mute.channels[0]: no channel has this name; there is: console",
        ),
        (f'{{{AT}, "mute": {{"matchers": ["a=b"], "for": "1h", "channels": [7]}}}}', "mute.channels: must be a list "),
        (f'{{{AT}, "reload": []}}', "reload: must be a mapping; the configuration as in its file"),
        (f'{{{AT}, "restart": "yes"}}', "restart: must be true"),
        (f'{{{AT}, "clock": "2d"}}', 'clock: must say which way the clock steps; write it as "+2d" or "-1h"'),
        (f'{{{AT}, "clock": "+2"}}', 'clock: a duration needs a unit; did you mean 2s?; write it as "+2d" or "-1h"'),
        (f'{{{AT}, "clock": "-100y"}}', "clock: steps out of the calendar"),
    ],
)
def test_a_line_that_cannot_be_used_says_what_is_wrong_and_what_would_be_right(
    tmp_path: Path, line: str | bytes, problem: str
) -> None:
    [told] = problems(tmp_path, line)
    assert told.startswith(f"1: {problem}")


def test_all_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        "# a comment, and an empty line",
        "",
        '{"at": "soon", "outage": {"channel": "mail", "for": "2h"}}',
        f'{{{AT}, "restart": true}}',
        "oops",
    )
    assert [line.split(";")[0] for line in told] == [
        "3: at: not a time that can be used",
        "3: outage.channel: no channel has this name",
        "5: not a JSON object",
    ]


def test_lines_out_of_order_are_to_be_sorted(tmp_path: Path) -> None:
    [told] = problems(tmp_path, f'{{{AT}, "restart": true}}', '{"at": "2026-11-20T20:59:59Z", "restart": true}')
    assert told == (
        "2: at: earlier than line 1; sort the lines by at; after a clock line, at is what the stepped clock says"
    )


def test_after_a_step_of_the_clock_lines_are_on_the_stepped_clock(tmp_path: Path) -> None:
    back = f'{{{AT}, "clock": "-1h"}}'
    assert simulate(tmp_path, f'{back}\n{{"at": "2026-11-20T20:00:00Z", "restart": true}}').exit_code == 0
    [told] = problems(tmp_path, back, '{"at": "2026-11-20T19:59:59Z", "restart": true}')
    assert told.startswith("2: at: earlier than line 1; ")


def test_a_reload_is_checked_as_a_file_is_with_all_of_its_problems(tmp_path: Path) -> None:
    channels = [{"type": "console", "name": "ops", "group_wiat": "5s"}, {"type": "slak", "name": "ops"}]
    told = problems(tmp_path, f'{{{AT}, "reload": {json.dumps({"channels": channels})}}}')
    assert told == [
        '1: reload.channels[0].group_wiat: unknown key; did you mean "group_wait"?',
        '1: reload.channels[1].type: no such type of channel; did you mean "slack"?',
        "1: reload.channels[1].name: is the name or alias of another channel, or of this one",
    ]


def test_after_a_reload_the_new_channels_are_known_and_the_old_are_not(tmp_path: Path) -> None:
    reload = f'{{{AT}, "reload": {{"channels": [{{"type": "console", "name": "ops"}}]}}}}'
    outage = f'{{{AT}, "outage": {{"channel": "%s", "for": "1h"}}}}'
    told = problems(tmp_path, outage % "ops", reload, outage % "ops", outage % "console")
    assert told == [
        "1: outage.channel: no channel has this name; there is: console",
        "4: outage.channel: no channel has this name; there is: ops",
    ]


def test_what_cannot_be_printed_does_not_reach_the_terminal(tmp_path: Path) -> None:
    [told] = problems(tmp_path, f'{{{AT}, "restart": true, "\\u001b[2J": 1}}')
    assert "\x1b" not in told


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", str(tmp_path / "none.jsonl")])
    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path / 'none.jsonl'}: can't be read: No such file or directory\n"


def test_a_bad_configuration_is_told_with_all_of_its_problems(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("channels:\n  - {name: ops, type: console, group_wiat: 5s}\n  - {name: ops, type: console}\n")
    result = simulate(tmp_path, "", f"--config.file={config}")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f'{config}:2: channels[0].group_wiat: unknown key; did you mean "group_wait"?',
        f"{config}:3: channels[1].name: is the name or alias of another channel, or of this one",
    ]


def test_secrets_need_not_be_at_hand(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text(
        "smtp: {host: smtp.example.com, username: alerts, password_file: no/such/file, ca_file: none.pem}\n"
        "channels:\n"
        "  - {name: ops, type: slack, webhook_url_env: NOT_SET}\n"
        "  - {name: mail, type: email, to: [a@example.com], from: b@example.com}\n"
    )
    result = simulate(tmp_path, f'{{{AT}, "notification": {BODY}}}', f"--config.file={config}", "--output=json")
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line).get("channel") for line in result.stdout.splitlines()] == ["ops", "mail", None]


def test_a_secret_that_is_given_twice_is_still_a_mistake(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("channels:\n  - {name: ops, type: slack, webhook_url_env: A, webhook_url_file: b}\n")
    result = simulate(tmp_path, "", f"--config.file={config}")
    assert result.exit_code == 1
    assert "exactly one of them says it" in result.stderr


@pytest.mark.parametrize(
    "options", [[], ["--until=tomorrow"], ["--until=2026-11-20T21:00:00"], ["--output=yaml"], ["--untl=x"]]
)
def test_wrong_use_is_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    file = [str(tmp_path / "events.jsonl")] if options else []
    assert CliRunner().invoke(main, ["simulate", *file, *options]).exit_code == 2


def test_lines_can_come_from_standard_input_and_need_no_configuration() -> None:
    lines = f'{{{AT}, "notification": {BODY}}}\r\n'
    result = CliRunner().invoke(main, ["simulate", "-", "--output=json"], input=lines)
    assert result.exit_code == 0
    assert [json.loads(line).get("channel") for line in result.stdout.splitlines()] == ["console", None]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert simulate(tmp_path, b"\xef\xbb\xbf" + f'{{{AT}, "restart": true}}'.encode()).exit_code == 0
