"""A channel's templates are read with the configuration, and what is wrong with them is found there and then."""

import os
import re
from pathlib import Path

import pytest

from receiver.config import loading, template_checks
from receiver.config.problems import ConfigError
from receiver.config.resolve import destinations
from receiver.config.template_files import LARGEST
from receiver.core.grouping import Reason
from receiver.messages import slack
from receiver.messages.wording import SUBJECT_LIMIT
from receiver.templates.forms import FALLBACK_LIMIT, FORMS
from receiver.templates.own import attempt
from receiver.templates.values import ALERTS, LENGTHS, PAIRS

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")

MAIL = """\
channels:
  - name: mail
    type: email
    to: [a@example.com]
    from: a@example.com
    host: mail.example.com
    templates:
"""
CONSOLE = "channels:\n  - name: shell\n    type: console\n    templates:\n"


def written(folder: Path, text: str, **templates: str | bytes) -> Path:
    for name, source in templates.items():
        (folder / f"{name}.j2").write_bytes(source if isinstance(source, bytes) else source.encode())
    path = folder / "alert-receiver.yml"
    path.write_text(text)
    return path


def problems(path: Path) -> list[str]:
    """What is wrong with the file, each without its folder."""
    with pytest.raises(ConfigError) as raised:
        loading.load(path, {})
    return [str(problem).replace(f"{path.parent}/", "") for problem in raised.value.problems]


def test_a_template_in_a_file_is_read_relative_to_the_configuration(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MAIL}      html_file: mail.j2\n      subject: mine\n", mail="<p>{{ status }}</p>")
    [destination] = destinations(loading.load(path, {}).config)
    assert destination.templates.html == "<p>{{ status }}</p>"
    assert destination.templates.subject == "mine"
    assert destination.templates.text is None


def test_templates_are_read_where_secrets_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, f"{CONSOLE}      text_file: t.j2\n", t="{{ nobody }}")
    [warning] = loading.load(path, None).warnings
    assert "t.j2, line 1: 'nobody' is undefined" in str(warning)
    assert [str(warning).replace(f"{tmp_path}/", "")] == problems(path)


def test_a_changed_file_makes_another_destination(tmp_path: Path) -> None:
    path = written(tmp_path, f"{CONSOLE}      text_file: t.j2\n", t="one")
    before = destinations(loading.load(path, {}).config)
    assert destinations(loading.load(path, {}).config) == before
    written(tmp_path, path.read_text(), t="two")
    assert destinations(loading.load(path, {}).config) != before


def test_mistakes_are_said_with_file_line_and_what_would_be_right(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"{MAIL}"
        "      subject: '{{ alerts[0].labels.instance }}'\n"
        "      text_file: t.j2\n"
        "      html: |\n        <p>\n        {{ alert.name }}\n"
        "      slack: x\n",
        t="one\ntwo {% if %}",
    )
    subject, text, html, foreign = problems(path)
    assert subject == (
        "alert-receiver.yml:8: channels[0].templates.subject: line 1 of this template: 'instance' is undefined "
        "(tried on an alert with no label but alertname); where it may be missing, write .get('instance', '')"
    )
    assert text == (
        "alert-receiver.yml:9: channels[0].templates.text_file: t.j2, line 2: Expected an expression, "
        "got 'end of statement block'"
    )
    assert html.startswith(
        "alert-receiver.yml:10: channels[0].templates.html: line 2 of this template: 'alert' is undefined; "
        "there are: alerts, builtin, "
    )
    assert foreign == (
        "alert-receiver.yml:13: channels[0].templates.slack: an email channel has no such part; "
        "it takes subject, text and html"
    )


@pytest.mark.parametrize(
    ("kind", "part", "takes"),
    [
        ("console", "html", "a console channel has no such part; it takes subject and text"),
        ("console", "slack_file", "a console channel has no such part; it takes subject and text"),
        ("slack, webhook_url: 'http://127.0.0.1/x'", "html", "it takes subject, text and slack"),
        ("slack, bot_token: xoxb-1, channel: '#ops'", "html", "it takes subject, text and slack"),
    ],
)
def test_a_part_that_the_channel_does_not_have_is_a_mistake(tmp_path: Path, kind: str, part: str, takes: str) -> None:
    path = written(tmp_path, f"channels:\n  - {{name: a, type: {kind}, templates: {{{part}: x.j2}}}}\n", x="x")
    [problem] = problems(path)
    assert f"channels[0].templates.{part}: " in problem
    assert problem.endswith(takes)


def test_a_part_is_given_once(tmp_path: Path) -> None:
    path = written(tmp_path, f"{CONSOLE}      text: x\n      text_file: t.j2\n", t="x")
    assert problems(path) == [
        "alert-receiver.yml:6: channels[0].templates.text_file: is given beside text; exactly one of them says it"
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.j2", "can't use missing.j2: no such file or directory; the path starts at the folder of the "),
        (".", "it is no plain file"),
        ("pipe", "it is no plain file"),
        ("large.j2", "it is larger than 100,000 bytes"),
        ("binary.j2", "it is not UTF-8 in line 2"),
        ("empty.j2", "empty.j2: comes out empty"),
        ('"a\\0b"', "its name can't be one"),
        ("t.j2/x", "not a directory"),
    ],
)
def test_a_file_that_is_no_template_is_a_mistake(tmp_path: Path, name: str, why: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    files: dict[str, str | bytes] = {"large": "x" * 100_001, "binary": b"a\n\xff", "empty": "", "t": "t"}
    [problem] = problems(written(tmp_path, f"{CONSOLE}      text_file: {name}\n", **files))
    assert problem.startswith("alert-receiver.yml:5: channels[0].templates.text_file: ")
    assert why in problem


def test_a_template_in_the_file_itself_may_have_as_many_bytes_as_one_in_its_own(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path, f"{CONSOLE}      text: '{{# {'é' * 50_000} #}}x'\n"))
    assert problem == "alert-receiver.yml:5: channels[0].templates.text: is larger than 100,000 bytes"
    loading.load(written(tmp_path, f"{CONSOLE}      text: '{{# {'é' * 49_900} #}}x'\n"), {})


def test_a_template_that_takes_too_long_does_not_keep_the_check(tmp_path: Path) -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    path = written(tmp_path, f"{CONSOLE}      text: '{loops}'\n      subject: '{{{{ nobody }}}}'\n")
    subject, text = sorted(problems(path))[::-1]
    assert "templates.text: takes longer than 2 seconds" in text + subject
    assert "'nobody' is undefined" in text + subject


def test_templates_that_channels_share_are_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def counting(form, sources, content, renderer):  # type: ignore[no-untyped-def]
        tries.append(sources["text"])
        return attempt(form, sources, content, renderer)

    monkeypatch.setattr(template_checks, "attempt", counting)
    shared = "".join(f"  - {{name: c{n}, type: console, templates: *t}}\n" for n in range(20))
    path = written(
        tmp_path, f"channels:\n  - {{name: a, type: console, templates: &t {{text: '{{{{ nobody }}}}'}}}}\n{shared}"
    )
    assert len(problems(path)) == 21
    assert tries == ["{{ nobody }}"]


def test_what_the_schema_finds_wrong_is_not_tried_as_well(tmp_path: Path) -> None:
    path = written(tmp_path, f"{CONSOLE}      texts: '{{{{ nobody }}}}'\n      text_file: 3\n")
    assert [problem.partition(": ")[2] for problem in problems(path)] == [
        'channels[0].templates.texts: unknown key; did you mean "text"?',
        "channels[0].templates.text_file: must be a text; quote it",
    ]


def test_without_templates_no_process_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.templates.process.COMMAND", ("/nonexistent",))
    loading.load(written(tmp_path, "channels: [{name: shell, type: console}]\n"), {})


def test_the_pages_example_works(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    (tmp_path / "url").write_text("https://hooks.slack.example/services/T00/B00/the-pages-own-secret")
    (tmp_path / "oncall.html.j2").write_text("<p>{{ explanation }} {{ status }}</p>")
    path = written(tmp_path, example.replace("/run/secrets/slack-webhook-url", "url"))
    mail, ops = destinations(loading.load(path, {}).config)
    assert mail.templates.html == "<p>{{ explanation }} {{ status }}</p>"
    assert ops.templates.slack is not None


def test_the_pages_table_from_alertmanager_works(tmp_path: Path) -> None:
    rows = re.findall(r"^\| .*? \| (.*) \|$", PAGE.partition("## From Alertmanager")[2], re.M)[2:]
    snippets = [code.replace("…", "x").replace("\\|", "|") for row in rows for code in re.findall(r"`([^`]+)`", row)]
    pieces = [piece for piece in snippets if "{" in piece]
    assert len(pieces) > 20
    ends = {"{% for": "{% endfor %}", "{% macro": "{% endmacro %}"}
    whole = []
    for piece in pieces:
        opened = next((end for begin, end in ends.items() if piece.startswith(begin)), "")
        closed = piece if opened in piece else f"{piece}{{{{ alert.name }}}}{opened}"
        is_loop = closed.startswith("{% for alert") or "alert" not in re.sub(r"\b(alerts|also)\w*", "", closed)
        whole.append(
            closed if is_loop or "macro" in closed else f"{{% for alert in alerts[:1] %}}{closed}{{% endfor %}}"
        )
    text = "\n".join(sorted(whole, key=lambda one: "macro" not in one)).replace("'", "''")
    loading.load(written(tmp_path, f"{CONSOLE}      text: '{text}'\n".replace("\n{", " {")), {})


def test_the_pages_filters_work_for_what_fires_and_what_has_resolved(tmp_path: Path) -> None:
    table = PAGE.partition("| filter | makes |")[2].partition("\n\n")[0]
    examples = [code.replace("\\|", "|") for code in re.findall(r"^\| `(.*?)` \|", table, re.M)]
    assert len(examples) == 4
    written_out = "".join(code if "{" in code else f"{{{{ {code} }}}}" for code in examples).replace("'", "''")
    loop = f"{{% for alert in alerts %}}{written_out}{{% endfor %}}"
    loading.load(written(tmp_path, f"{CONSOLE}      text: '{loop}'\n"), {})


def test_the_page_names_every_limit_and_every_reason() -> None:
    limits = {limit for form in FORMS.values() for limit in form.limits.values()}
    for limit in (*limits, LARGEST, FALLBACK_LIMIT, SUBJECT_LIMIT, slack.CHARACTERS_LIMIT, ALERTS, PAIRS, *LENGTHS[:1]):
        assert re.search(rf"(?<![\d,]){limit:,}(?![\d,])", PAGE), limit
    assert "90,000 bytes" in PAGE
    [row] = re.findall(r"^\| `kind`, `reason` \|.*", PAGE, re.M)
    assert {reason.value for reason in Reason} <= set(re.findall(r"`(\w+)`", row))
