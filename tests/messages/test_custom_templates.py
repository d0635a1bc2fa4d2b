"""A channel's own templates: what they make of a message, and that nothing they do costs an alert."""

import io
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from receiver.channels.slack_answers import parts
from receiver.config.destinations import ConsoleDestination, Templates
from receiver.core.content import Content, Rendered, Told
from receiver.messages import console, email, slack
from receiver.outlets import outlet
from receiver.templates import process
from receiver.templates.forms import FORMS, Form, pieces
from receiver.templates.markup import unsafe
from receiver.templates.own import OwnRendering, Tried, attempt
from receiver.templates.process import Renderer
from receiver.templates.samples import samples
from receiver.templates.sandbox import NAMES
from receiver.templates.values import values
from receiver.templates.wire import Request, framed
from tests.messages.contents import HOSTILE, LABELS, MINUTE, NOW, SINCE, content, digest, hostile, line, storm

PROC = Path("/proc/self/environ").exists()
on_linux = pytest.mark.skipif(not PROC, reason="looks into /proc")

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    """A process that all tests may use that do it no harm."""
    shared = Renderer(seconds=10)
    yield shared
    shared.close()


def tried(renderer: Renderer, kind: str, told: Content | None = None, **sources: str) -> Tried:
    return attempt(FORMS[kind], sources, told or content(line()), renderer)


def made(renderer: Renderer, kind: str, told: Content | None = None, **sources: str) -> Rendered:
    result = tried(renderer, kind, told, **sources)
    assert result.rendered is not None, result.failures
    return result.rendered


def said(renderer: Renderer, source: str, told: Content | None = None) -> str:
    return made(renderer, "console", told, text=source).text


def wrong(renderer: Renderer, source: str) -> str:
    result = tried(renderer, "console", text=source)
    assert result.rendered is None
    [failure] = result.failures
    return str(failure)


def test_a_part_with_a_template_is_its_and_the_others_stay_built_in(renderer: Renderer) -> None:
    rendered = made(renderer, "email", subject="{{ status | upper }}\n{{ alerts[0].labels.pod }}\n")
    built_in = email.render(content(line()))
    assert rendered.subject == f"FIRING {LABELS['pod']}"
    assert (rendered.text, rendered.html) == (built_in.text, built_in.html)


def test_what_a_template_sees_is_what_the_page_says(renderer: Renderer) -> None:
    still = line(labels=LABELS | {"pod": "other"})
    told = content(
        line(urgent=True, fingerprint="f00", links={"panel": "https://grafana.example.com/p"}),
        line(Told.RESOLVED),
        line(Told.FIRED_AND_RESOLVED),
        also_firing=2,
        also_firing_lines=(still,),
        truncated=4,
        urgent=1,
        reason="catch_up",
    )
    assert values(told, Rendered("", "")).keys() == NAMES
    assert said(renderer, "{{ status }} {{ kind }} {{ reason }} {{ channel }} {{ external_url }}", told) == (
        "firing group catch_up oncall http://alertmanager.example.com:9093"
    )
    assert said(renderer, "{{ counts | items | map('last') | list }}", told) == "[1, 1, 1, 2, 3, 1, 1, 4, 0]"
    assert said(renderer, "{{ alerts | map(attribute='status') | join(' ') }}", told) == "firing resolved resolved"
    assert said(renderer, "{{ alerts[2].state }}, {{ alerts[0].links.panel }}, {{ alerts[0].fingerprint }}", told) == (
        "Fired and resolved, https://grafana.example.com/p, f00"
    )
    assert said(renderer, "{{ common_labels.pod is defined }} {{ common_labels.cluster }}", told) == (
        "False eu-west-1-prod"
    )
    assert said(renderer, "{{ common_annotations.summary }}", told).startswith("High error rate")
    assert said(renderer, "{{ group_labels.service }} {{ still_firing[0].labels.pod }}", told) == "checkout-api other"
    assert said(renderer, "{{ explanation }}", told) == "This may come late: alert-receiver was down for a while."
    assert said(renderer, "{{ builtin.subject }}|{{ builtin.text }}", told).startswith("[FIRING:1, RESOLVED:1, ")


def test_times_can_be_written_and_reckoned_with(renderer: Renderer) -> None:
    told = content(line(Told.RESOLVED))
    assert said(renderer, "{{ alerts[0].starts_at | utc }}", told) == "2026-11-20 20:52:06 UTC"
    assert said(renderer, "{{ (alerts[0].ends_at - alerts[0].starts_at) | duration }}", told) == "1h 30m"
    assert said(renderer, "{{ alerts[0].starts_at | since }}", told) == "8h 37m"
    assert said(renderer, "{{ now.strftime('%H:%M') }}", told) == "05:30"
    assert said(renderer, "x{{ alerts[0].ends_at | utc }}") == "x"
    beyond = content(line(starts_at=10**17, last_seen=-(10**17)))
    assert said(renderer, "{{ alerts[0].starts_at.year }} {{ alerts[0].last_seen.year }}", beyond) == "9999 1"


def test_every_sample_can_be_told_by_a_careful_template(renderer: Renderer) -> None:
    source = (
        "{% for a in alerts %}{{ a.name }} {{ a.labels.get('instance', '') }} {{ a.starts_at | since }}\n{% endfor %}"
    )
    names = [name for name, told in samples() if tried(renderer, "console", told, text=source).rendered]
    assert names == [name for name, _ in samples()]
    assert len(names) == 8


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("a\nb {{ nobody }}", "line 2: 'nobody' is undefined"),
        ("{% if status == 'never' %}{{ nobody }}{% endif %}x", "line 1: 'nobody' is undefined"),
        ("\n\n{{ alerts[0].labels.nothing }}", "line 3: 'nothing' is undefined"),
        ("{{ alerts[0].labels[alerts[0].labels.pod] }}", "line 1: something is undefined"),
        ("{% for %}", "line 1: Expected an expression, got 'end of statement block'"),
        ("{{ status | nosuch }}", "line 1: No filter named 'nosuch'"),
        ("{{ 1 / 0 }}", "line 1: ZeroDivisionError"),
        ("{{ alerts[0].labels.pod + 1 }}", "line 1: TypeError"),
        (" \n{# nothing #}", "comes out empty"),
        ("{{ 'x' * 99999 }}", "has more than 40,000 characters"),
        ("{% for a in range(99999) %}xxxx{% endfor %}", "has more than 40,000 characters"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "is nested too deeply, or calls itself without end"),
        (f"{{{{ {'(' * 5000}1{')' * 5000} }}}}", "is nested too deeply, or calls itself without end"),
    ],
)
def test_what_goes_wrong_is_said_with_its_line_and_without_any_label(renderer: Renderer, source: str, why: str) -> None:
    assert wrong(renderer, source) == why


OF_AN_ALERT = (
    "there are: annotations, defect, ends_at, fingerprint, generator_url, labels, last_seen, links, name, severity, "
    "starts_at, state, status, urgent"
)
GO = "this looks like Alertmanager's Go template: docs/templates.md has a table of what to write here"
ENDS = "ends_at is none while an alert fires: {% if alert.ends_at %}"


@pytest.mark.parametrize(
    ("source", "why", "advice"),
    [
        ("{{ alerts[0].startsAt }}", "an alert has no startsAt", f"did you mean starts_at? {OF_AN_ALERT}"),
        ("{{ alerts[0]['zzz'] }}", "an alert has no zzz", OF_AN_ALERT),
        ("{{ alerts[0].get('startsAt', '') }}x", "an alert has no get", OF_AN_ALERT),
        ("{{ alerts[0].zzz | default('') }}x", "an alert has no zzz", OF_AN_ALERT),
        ("{{ alerts | map(attribute='zzz') | join }}x", "an alert has no zzz", OF_AN_ALERT),
        ("{{ alerts[0][alerts[0].labels.pod] }}", "an alert has nothing of this name", OF_AN_ALERT),
        ("{{ builtin.html }}", "builtin has no html", "there are: subject, text"),
        ("{{ group_labels.zzz }}", "'zzz' is undefined", "where it may be missing, write .get('zzz', '')"),
        ("{{ alerts[0].links['zzz'] }}", "'zzz' is undefined", "where it may be missing, write .get('zzz', '')"),
        ("{{ status.zzz }}", "'zzz' is undefined", ""),
        (
            "{{ alerts[0].labels.items }}",
            "items is a method",
            "write ['items'] for a label of this name, .items() to call it",
        ),
        ("{{ alerts[0].labels.values | upper }}", "values is a method", "write ['values'] for a label of this name"),
        ("{{ 'x' ~ alerts[0].labels.get }}", "get is a method", "write ['get'] for a label of this name"),
        ("{{ 'x' ~ status['upper'] }}", "upper is a method", "write .upper() to call it"),
        ("{{ [now.isoformat] }}", "isoformat is a method", "write .isoformat() to call it"),
        ("{% macro row() %}x{% endmacro %}{{ row }}", "row is a method", "write () to call it"),
        ("{{ (alerts[0].ends_at - now) | duration }}", "TypeError", ENDS),
        ("{{ alerts[0].ends_at | since }}", "TypeError", ENDS),
        ("{{ alerts[0].ends_at.strftime('%H') }}", "'strftime' is undefined", ENDS),
        ("{{ 1 + None }}", "TypeError", ""),
        ("{{ .Status }}", "unexpected '.'", GO),
        ("{{ $labels.pod }}", "unexpected char '$' at 3", GO),
        ("{{ range .Alerts }}", "'Alerts' is undefined", GO),
        ("{{ len .Alerts.Firing }}", "'len' is undefined", GO),
        ('{{ template "x" . }}', "expected token 'end of print statement', got 'string'", GO),
        ("x{{ end }}", "'end' is undefined", GO),
        ("{{ status | toUpper }}", "No filter named 'toUpper'", GO),
        ("{% if .Status %}", "unexpected '.'", GO),
        ("{{ 'see .NET' }}{{ status.zzz }}", "'zzz' is undefined", ""),
        ("{{ status | uper }} costs $5 at .NET", "No filter named 'uper'", ""),
    ],
)
def test_what_would_be_right_is_said(renderer: Renderer, source: str, why: str, advice: str) -> None:
    [failure] = tried(renderer, "console", text=source).failures
    assert failure.wrong == why
    assert failure.advice.startswith(advice)
    assert advice or not failure.advice


def test_a_method_can_be_called_and_brackets_mean_a_label_even_if_a_method_is_called_so(renderer: Renderer) -> None:
    told = content(line(labels={"alertname": "A", "items": "three"}))
    assert said(renderer, "{{ alerts[0].labels['items'] }} {{ alerts[0].labels.get('keys', 'none') }}", told) == (
        "three none"
    )
    assert said(renderer, "{{ alerts[0].labels['keys'] is defined }}", told) == "False"
    assert said(renderer, "{% for n, v in alerts[0].labels.items() %}{{ n }}={{ v }} {% endfor %}", told) == (
        "alertname=A items=three"
    )
    macro = "{% macro row(a) %}{{ a.name.upper() }}{{ '%s'.format(1) }}{% endmacro %}"
    assert said(renderer, f"{macro}{{% set n = namespace(m=row) %}}{{{{ n.m(alerts[0]) }}}}", told) == "A%s"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ alerts | map(attribute='__class__') | list }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ joiner.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ range.__self__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ (status | utc).__globals__ }}",
        "{{ '{0.__class__}'.format(status) }}",
        "{{ '{x.__class__}'.format_map({'x': 1}) }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}{{ m._func.__globals__ }}",
        "{{ now.__reduce__() }}",
        "{{ alerts.append(1) }}",
        "{{ alerts[0].labels.update({'a': 'b'}) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{% from 'os' import environ %}{{ environ }}",
        "{% extends '/etc/passwd' %}",
        "{% autoescape false %}{{ status }}{% endautoescape %}",
        "{{ status | safe }}",
        "{{ open('/proc/self/environ').read() }}",
        "{{ status.upper._call }}",
        "{{ status.upper._owner }}",
        "{{ alerts[0].labels.items.__self__ }}",
        "{{ counts._called }}",
        "{{ counts.find('total') }}",
    ],
)
def test_nothing_leads_out_of_the_sandbox(renderer: Renderer, source: str) -> None:
    assert tried(renderer, "console", text=f"before {source}").rendered is None


@on_linux
def test_the_process_that_renders_has_no_environment_no_files_and_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2-hunter2")
    alone = Renderer(seconds=10)
    try:
        assert said(alone, "ready") == "ready"
        proc = Path(f"/proc/{alone.pid}")
        given = {entry.partition("=")[0] for entry in (proc / "environ").read_text().split("\0") if entry}
        assert given <= {*process.KEPT, "LC_CTYPE"}
        assert "hunter2" not in (proc / "environ").read_text()
        assert {entry.name for entry in (proc / "fd").iterdir()} == {"0", "1", "2"}
        limits = {row[:25].strip(): row[26:].split()[:2] for row in (proc / "limits").read_text().splitlines()}
        assert limits["Max open files"] == ["0", "0"]
        assert limits["Max processes"] == ["0", "0"]
        assert limits["Max address space"] == [str(256 << 20)] * 2
        assert limits["Max cpu time"][0] != "unlimited"
        assert (proc / "oom_score_adj").read_text() == "1000\n"
    finally:
        alone.close()


def test_an_endless_loop_is_ended_and_the_next_message_is_rendered() -> None:
    hasty = Renderer(seconds=2)
    try:
        assert said(hasty, "before") == "before"
        first = hasty.pid
        assert wrong(hasty, ENDLESS) == "takes longer than 2 seconds"
        assert said(hasty, "after") == "after"
        assert hasty.pid != first
    finally:
        hasty.close()


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10 ** 10 }}",
        "{% set n = namespace(x='a' * 1000) %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ '' | center(10 ** 10) }}",
    ],
)
def test_a_memory_bomb_stays_a_failure(renderer: Renderer, source: str) -> None:
    assert wrong(renderer, source) in ("needs too much memory", "line 1: OverflowError", "line 1: ValueError")
    assert said(renderer, "after") == "after"


def test_a_process_that_was_killed_is_replaced(renderer: Renderer) -> None:
    assert said(renderer, "before") == "before"
    first = renderer.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert said(renderer, "after") == "after"
    assert renderer.pid != first


@contextmanager
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Renderer, int, list[Tried]]]:
    """A process that has been given a message without end, and what comes of it once somebody ends that."""
    patient, given, results = Renderer(seconds=60), threading.Event(), list[Tried]()
    writes = process._write

    def write(*arguments: Any) -> None:
        writes(*arguments)
        given.set()

    monkeypatch.setattr(process, "_write", write)
    working = threading.Thread(target=lambda: results.append(tried(patient, "console", text=ENDLESS)))
    working.start()
    assert given.wait(30)
    assert patient.pid is not None
    yield patient, patient.pid, results
    working.join(30)
    assert not working.is_alive()
    assert results[0].rendered is None


def test_a_process_that_dies_over_a_message_fails_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with in_the_middle(monkeypatch) as (patient, pid, results):
        os.kill(pid, signal.SIGKILL)
    try:
        assert [str(failure) for failure in results[0].failures] == ["the process that renders was killed, or crashed"]
        assert said(patient, "after") == "after"
    finally:
        patient.close()


def test_closing_leaves_no_process_even_in_the_middle_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with in_the_middle(monkeypatch) as (patient, pid, _):
        patient.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert tried(patient, "console", text="late").rendered is None
    assert patient.pid is None


def test_the_process_ends_with_the_receiver() -> None:
    with subprocess.Popen(process.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as orphan:
        assert orphan.stdin is not None
        orphan.stdin.close()
        assert orphan.wait(20) == 0


def test_a_process_that_cannot_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", ("/nonexistent/python",))
    assert wrong(Renderer(), "x") == "the process that renders broke off"
    monkeypatch.setattr(process, "COMMAND", (*process.COMMAND[:1], "-c", "pass"))


def test_a_process_that_talks_nonsense_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("pass", "import sys; sys.stdout.write('nonsense ' * 100)", "import os; os.write(1, bytes(100))"):
        monkeypatch.setattr(process, "COMMAND", (*process.COMMAND[:1], "-c", program))
        mad = Renderer(seconds=5)
        assert wrong(mad, "x") == "the process that renders did not start"
        mad.close()


def own(form: Form, failed: list[str], renderer: Renderer, **sources: str) -> OwnRendering:
    return OwnRendering("oncall", form, sources, lambda: failed.append("failed"), renderer)


def test_a_failing_template_swallows_no_alert(renderer: Renderer, caplog: pytest.LogCaptureFixture) -> None:
    failed: list[str] = []
    secretive = line(labels=LABELS | {"customer": "Acme-and-Sons"})
    source = "{{ alerts[0].labels.customer }}\n{{ {'a': 1}[alerts[0].labels.customer] }}"
    with caplog.at_level(logging.INFO):
        rendered = own(FORMS["email"], failed, renderer, html=source)(content(secretive))
    note = "The channel's own template for html failed (line 2: something is undefined), so this is the built-in form."
    assert rendered.text.startswith(note)
    assert "something is undefined" in rendered.html
    assert "HighErrorRate" in rendered.text
    assert failed == ["failed"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert {"channel": "oncall", "part": "html"}.items() <= vars(record).items()
    assert "Acme" not in "".join(str(value) for value in vars(record).values())


@pytest.mark.parametrize("kind", ["slack", "slack_bot", "console", "email"])
def test_every_kind_of_channel_says_why_it_is_built_in(renderer: Renderer, kind: str) -> None:
    rendered = own(FORMS[kind], [], renderer, subject="{{ nobody }}")(content(line()))
    assert "&#39;nobody&#39; is undefined" in rendered.html or "'nobody' is undefined" in str(rendered)


def test_a_working_template_is_no_failure(renderer: Renderer) -> None:
    failed: list[str] = []
    assert own(FORMS["console"], failed, renderer, text="mine")(content(line())).text == "mine"
    assert failed == []


def test_a_defect_of_ours_does_not_cost_the_message_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> list[Any]:
        raise RuntimeError("Acme")

    monkeypatch.setattr(Renderer, "render", broken)
    failed: list[str] = []
    rendered = own(FORMS["console"], failed, Renderer(), text="mine")(content(line()))
    assert "internal error, see the receiver's log" in rendered.text
    assert failed == ["failed"]


def test_a_channels_outlet_renders_by_its_templates_until_it_is_closed() -> None:
    failed: list[str] = []
    templates = Templates(text="mine, {{ alerts[0].labels.pod }}")
    made_of = outlet(ConsoleDestination("shell", templates), io.StringIO(), lambda: failed.append("failed"))
    assert made_of.render(content(line())).text == f"mine, {LABELS['pod']}"
    assert isinstance(made_of.render, OwnRendering)
    pid = made_of.render._renderer.pid
    assert pid is not None
    made_of.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "this is the built-in form" in made_of.render(content(line())).text
    assert failed == ["failed"]
    assert outlet(ConsoleDestination("shell"), io.StringIO()).render is console.render


class Links(HTMLParser):
    """Every element, and every address that one leads to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name == "href"]


EVERYTHING = (
    "{% for a in alerts %}{{ a.name }} {{ a.severity }} {{ a.fingerprint }} {{ a.defect }} {{ a.generator_url }}"
    "{% for n, v in (a.labels.items() | list)[:10] %}{{ n }}={{ v }} {% endfor %}"
    "{% for n, v in a.annotations.items() %}{{ n }}={{ v }} {{ v | link(n) }} {% endfor %}"
    "{% for n, v in a.links.items() %}{{ v | link(n) }} {% endfor %}{% endfor %}"
    "{{ group_labels.values() | join }} {{ external_url }} {{ builtin.subject }}"
)

IN_SLACK = (
    "{% for a in alerts %}*{{ a.name }}* <{{ a.name }}|{{ a.name }}> {{ a.labels.values() | list | first }}"
    "{% for n, v in a.annotations.items() %}{{ v }} {{ v | link(n) }} {% endfor %}{% endfor %}"
)


@pytest.mark.parametrize("text", [text[:1000] for text in HOSTILE], ids=range(len(HOSTILE)))
def test_hostile_values_stay_text(renderer: Renderer, text: str) -> None:
    told = content(hostile(text[:30]), group={"alertname": text}, external_url=text)
    subject = "{{ alerts[0].name }} {{ alerts[0].severity }} {{ group_labels.alertname }}"
    rendered = made(renderer, "email", told, subject=subject, text=EVERYTHING, html=EVERYTHING)
    assert not any(ord(character) < 32 and character != "\n" for character in rendered.text + rendered.html)
    assert "\n" not in rendered.subject
    assert len(rendered.subject) <= 150
    seen = Links(rendered.html)
    assert all(address.startswith("http") for address in seen.addresses)
    assert seen.tags <= {"a"}
    for_slack = made(renderer, "slack", told, slack=IN_SLACK, text="{{ alerts[0].name }}!")
    spoken = "".join(block["text"]["text"] for block in sections(for_slack))
    assert not any(mark in spoken for mark in ("<!", "<@", "<#"))
    assert not any(mark in str(parts(for_slack)["text"]) for mark in "<>")


def test_a_storm_of_long_texts_is_cut_to_what_fits_the_time(renderer: Renderer) -> None:
    assert said(renderer, "{{ alerts | length }} {{ counts.total }} {{ counts.not_listed }}", storm("é" * 100_000)) == (
        "500 10000 9500"
    )
    sent = framed(Request({}, values(storm("é" * 100_000), Rendered("", "")), {}))
    assert len(sent) < 20_000_000


def test_an_ordinary_storm_is_seen_whole() -> None:
    labels = {f"label{n}": "v" * 40 for n in range(20)}
    many = digest(*[line(labels=labels, annotations={"a": "x" * 500})] * 500)
    alert = values(many, Rendered("", ""))["alerts"][499]
    assert (alert["labels"], alert["annotations"]) == (labels, {"a": "x" * 500})
    vast = digest(*[line(labels=labels, annotations={"a": "x" * 100_000})] * 500)
    alert = values(vast, Rendered("", ""))["alerts"][499]
    assert (alert["labels"], len(alert["annotations"]["a"])) == (labels, 1000)


def test_a_link_to_anywhere_but_the_web_sends_the_built_in_form(renderer: Renderer) -> None:
    source = '<a href="{{ alerts[0].annotations.runbook_url }}">runbook</a>'
    assert 'href="https://runbooks' in made(renderer, "email", html=source).html
    bad = content(line(annotations={"runbook_url": "javascript:alert(1)"}))
    [failure] = tried(renderer, "email", bad, html=source).failures
    assert failure.wrong == "href holds no http, https or mailto address"
    linked = made(renderer, "email", bad, html="{{ alerts[0].annotations.runbook_url | link('<Runbook>') }}").html
    assert linked == "&lt;Runbook&gt;: javascript:alert(1)"


@pytest.mark.parametrize(
    "html",
    [
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='JaVa\nScript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<a href=data:text/html,x>x</a>",
        "<a href='//evil.example.com'>x</a>",
        "<a href>x</a>",
        "<img src=x onerror=alert(1)>",
        "<img src=https://example.com/a.png onload=alert(1)>",
        "<img srcset='https://example.com/a.png 2x'>",
        "<script>alert(1)</script>",
        "<iframe src='https://example.com'></iframe>",
        "<form action='https://example.com'></form>",
        "<base href='https://example.com'>",
        "<meta http-equiv=refresh content='0;url=https://example.com'>",
        "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>",
        "<p style='background: url(javascript:alert(1))'>x</p>",
        "<p style='width: expression(alert(1))'>x</p>",
        "<style>@import 'https://example.com/a.css';</style>",
        "<!--[if mso]><a href='javascript:alert(1)'>x</a><![endif]-->",
        "<table background='javascript:alert(1)'></table>",
        "<p style='color:red;background:url(https://example.com/beacon)'>x</p>",
        "<p style='background:u/**/rl(x);position/**/ :fixed;inset:0'>x</p>",
        "<p title=x style=position:fixed>x</p>",
        "<style/>@import 'https://example.com/a.css';</style>",
        "<style>p { background: image-set('https://example.com/a.png' 1x) }</style>",
    ],
)
def test_html_that_runs_or_loads_something_is_refused(html: str) -> None:
    assert unsafe(f"<p>before</p>{html}<p>after</p>") is not None


def test_html_as_people_write_it_for_mail_is_taken() -> None:
    html = """<!doctype html><html><head><meta charset="utf-8"><style>p { color: #333 }</style></head>
        <body style="margin: 0"><table role="presentation" width="100%"><tr><td>
        <img src="https://example.com/logo.png" alt=""> <a href="mailto:oncall@example.com">us</a>
        <a href="https://example.com/?a=1&amp;b=2">there</a> <a href="#below">below</a>
        <!--[if mso]><table><tr><td><![endif]--><p>javascript: and &lt;script&gt; are words</p></td></tr></table>"""
    assert unsafe(html) is None


def sections(rendered: Rendered) -> list[Mapping[str, Any]]:
    return [block for block in rendered.blocks if block["type"] == "section"]


def test_slack_shows_a_templates_words_and_nothing_that_mentions(renderer: Renderer) -> None:
    bad = content(
        line(labels={"alertname": 'A "quoted" & <!channel>', "to": "!here", "url": "https://example.com/?a|b"}),
        mentions=("<!subteam^S1>",),
    )
    source = (
        "{% macro row(a) %}*{{ a.name }}*{% endmacro %}{{ row(alerts[0]) }} <{{ alerts[0].labels.to }}|x> "
        "<!here> <@U1> {{ alerts[0].labels.url | link('Wiki') }} "
        "<!date^1792^{date}|then> <https://example.com|site> <tel:1|call>"
    )
    rendered = made(renderer, "slack", bad, slack=source)
    mention, header, section = rendered.blocks
    assert (mention,) == tuple(slack.mention(["<!subteam^S1>"]))
    assert header["text"] == {"type": "plain_text", "text": rendered.subject, "emoji": False}
    assert section["text"] == {
        "type": "mrkdwn",
        "text": '*A "quoted" &amp; &lt;!channel&gt;* &lt;!here|x> &lt;!here> &lt;@U1> '
        "<https://example.com/?a%7Cb|Wiki> <!date^1792^{date}|then> <https://example.com|site> &lt;tel:1|call>",
        "verbatim": True,
    }
    assert rendered.attachments == ()


def test_a_subject_alone_is_slacks_header_and_begins_its_notification(renderer: Renderer) -> None:
    built_in = slack.render(content(line()))
    rendered = made(renderer, "slack", subject="Mine & yours")
    [header] = [block for block in rendered.blocks if block["type"] == "header"]
    assert header["text"]["text"] == "Mine & yours"  # type: ignore[index]
    assert rendered.text == f"Mine & yours{built_in.text.removeprefix(built_in.subject)}"
    assert rendered.attachments == built_in.attachments


def test_a_text_for_slack_is_escaped_whole(renderer: Renderer) -> None:
    rendered = made(renderer, "slack", text="<!channel>\n{{ alerts[0].labels.pod }} &")
    assert parts(rendered)["text"] == f"&lt;!channel&gt; {LABELS['pod']} &amp;"


def test_a_threads_first_message_is_rendered_by_the_template_too(renderer: Renderer) -> None:
    told = content(line(Told.RESOLVED), also_firing=1, also_firing_lines=(line(),), thread="1.2", mentions=("<!here>",))
    source = "{{ counts.firing }} fire: {{ alerts | map(attribute='state') | join(', ') }}"
    rendered = made(renderer, "slack_bot", told, slack=source)
    assert rendered.first is not None
    assert [block["text"]["text"] for block in sections(rendered)] == ["<!here>", "0 fire: Resolved"]
    assert [block["text"]["text"] for block in sections(rendered.first)] == ["1 fire: Still firing, Resolved"]


@pytest.mark.parametrize(
    "text",
    ["word " * 1900, "x" * 9500, "\n".join(["y" * 700] * 13), "z" * 2990 + "<https://example.com/a|two words> &amp; w"],
)
def test_a_long_slack_text_is_cut_into_sections_and_nothing_is_lost(text: str) -> None:
    cut = list(pieces(text))
    assert all(0 < len(piece) <= 3000 for piece in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert all(piece.count("<") == piece.count(">") for piece in cut)


@pytest.mark.parametrize(
    ("kind", "part"), [("slack", "slack"), ("email", "html"), ("email", "text"), ("console", "text")]
)
def test_what_is_too_large_for_a_channel_is_a_failure_with_advice(renderer: Renderer, kind: str, part: str) -> None:
    sources = {part: "{% for n in range(600) %}" + "word " * 32 + "{% endfor %}"}
    result = attempt(FORMS[kind], sources, content(line()), renderer)
    [failure] = result.failures
    assert failure.part == part
    assert "more than" in failure.wrong
    assert "alerts[:10]" in failure.advice


def test_a_built_in_text_can_be_wrapped(renderer: Renderer) -> None:
    told = content(line(labels=LABELS | {"alertname": "A&B"}), group={"alertname": "A&B"})
    assert made(renderer, "console", told, text="Hello.\n{{ builtin.text }}").text == (
        f"Hello.\n{console.render(told).text.strip()}"
    )
    assert made(renderer, "slack", told, text="Hello, {{ builtin.text }}").text == (f"Hello, {slack.render(told).text}")


def test_since_when_it_fires_is_reckoned_from_the_message_and_not_from_any_clock(renderer: Renderer) -> None:
    assert NOW - SINCE == 31_074_000
    told = content(line(starts_at=NOW - 65 * MINUTE))
    assert {said(renderer, "{{ alerts[0].starts_at | since }}", told) for _ in range(3)} == {"1h 5m"}
