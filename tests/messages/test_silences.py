"""The link to Alertmanager's form for a silence: what it fills in, and when there is none."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.content import Content, Line, Told
from receiver.messages import silences
from receiver.messages.bounds import Bounds
from receiver.messages.excerpt import excerpt
from tests.messages.contents import HOSTILE, LABELS, content, digest, line, of_pod

ALERTMANAGER = "https://alerts.example.com/am"
FORM = f"{ALERTMANAGER}/#/silences/new?filter="
BOUNDS = Bounds(alerts=10, also=5, labels=10, short=100, long=200, url=2000)
ODD = {"alertname": "A", "quote": 'say "hi", {a="b"}\\n\nnow', "path": "/a?b=c&d=%20+é温 ", "tilde": "=~.*"}

# As the interface reads a filter: names bare, values JSON strings (ui/app/src/Utils/Filter.elm).
MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)=("(?:[^"\\]|\\.)*")(?:,|$)')


def filled_in(url: str) -> Mapping[str, str]:
    """The matchers that the form reads from the address."""
    filters = re.fullmatch(r"\{(.*)\}", unquote(url.removeprefix(FORM)), re.DOTALL)
    assert filters is not None
    assert "".join(found[0] for found in MATCHER.finditer(filters[1])) == filters[1]
    return {name: json.loads(value) for name, value in MATCHER.findall(filters[1])}


def silence_of(alert: Line, **changes: Any) -> str:
    """The address behind the alert's link to a silence; "" if there is none."""
    links = excerpt(content(alert, **{"external_url": ALERTMANAGER} | changes), BOUNDS).alerts[0].links
    return next((link.url for link in links if link.name == "Silence" and link.live), "")


def group_silence(told: Content) -> Mapping[str, str] | None:
    link = excerpt(told, BOUNDS).silence
    return None if link is None else filled_in(link.url)


@pytest.mark.parametrize("labels", [LABELS, ODD])
def test_an_alert_is_silenced_by_all_its_labels(labels: Mapping[str, str]) -> None:
    assert filled_in(silences.url(ALERTMANAGER, labels, {}, 2000)) == labels


def test_the_address_is_that_of_the_form() -> None:
    assert silences.url(f"{ALERTMANAGER}/", {"alertname": 'A"', "job": "a,b"}, {}, 2000) == (
        FORM + "%7Balertname%3D%22A%5C%22%22,job%3D%22a,b%22%7D"
    )


def test_what_does_not_fit_is_left_out_unless_the_group_needs_it() -> None:
    labels = {"alertname": "A", "pod": "p" * 300, "zone": "z"}
    assert filled_in(silences.url(ALERTMANAGER, labels, {"alertname": "A"}, 300)) == {"alertname": "A", "zone": "z"}
    assert silences.url(ALERTMANAGER, labels, {"alertname": "A", "pod": "p" * 300}, 300) == ""
    assert silences.url(ALERTMANAGER, labels, {}, 300) == ""
    spaces = {"alertname": "A", "pod": " " * 90}
    assert silences.url(ALERTMANAGER, spaces, spaces, 300) == "", "a space takes three characters"
    assert silences.url(ALERTMANAGER, spaces, {}, 300) == ""
    assert filled_in(silences.url(ALERTMANAGER, spaces, {"alertname": "A"}, 300)) == {"alertname": "A"}


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "é"]), st.text(max_size=40), max_size=5),
    st.integers(60, 400),
    st.integers(0, 3),
)
def test_no_silence_is_broader_than_the_group(labels: dict[str, str], limit: int, grouped_by: int) -> None:
    group = {name: value for name, value in list(labels.items())[:grouped_by] if value}
    url = silences.url(ALERTMANAGER, labels, group, limit)
    if url:
        assert len(url) <= limit
        assert re.fullmatch(r"[!-~]+", url)
        said = filled_in(url)
        assert said.items() <= labels.items()
        assert said.items() >= (group or {name: value for name, value in labels.items() if value}).items()


@pytest.mark.parametrize("text", HOSTILE)
def test_what_cannot_be_said_to_the_form_is_left_out_with_the_group_or_there_is_no_link(text: str) -> None:
    labels = {"alertname": "A", "pod": text, "zone": "z", text: "x"}
    url = silences.url(ALERTMANAGER, labels, {"alertname": "A"}, 500)
    assert filled_in(url).items() >= {"alertname": "A", "zone": "z"}.items()
    assert filled_in(url).items() <= labels.items()
    if not text.isprintable() or len(text) > 500:
        assert "pod" not in filled_in(url)
        assert silences.url(ALERTMANAGER, labels, {"alertname": "A", "pod": text}, 500) == ""
        assert silences.url(ALERTMANAGER, labels, {}, 500) == ""


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "ftp://am.example", "https://x y", "http://am/?a=b", "http://am/#/x"]
)
def test_without_a_sound_address_of_alertmanager_there_is_no_link(url: str) -> None:
    told = excerpt(content(of_pod(1), of_pod(2), external_url=url), BOUNDS)
    assert not any(link.name == "Silence" for alert in told.alerts for link in alert.links)
    assert told.silence is None


def test_only_what_fires_is_to_be_silenced_and_not_where_the_alert_brings_a_link_of_its_own() -> None:
    assert filled_in(silence_of(line())) == LABELS
    assert silence_of(line(Told.RESOLVED)) == ""
    assert silence_of(line(defect="no labels")) == ""
    grafana = "https://grafana.example.com/alerting/silence/new"
    assert silence_of(line(links={"silence": grafana})) == grafana


def test_a_group_of_several_alerts_is_silenced_by_its_own_labels() -> None:
    group = {"alertname": "HighErrorRate", "cluster": "eu"}
    facts: dict[str, Any] = {"external_url": ALERTMANAGER, "group": group}
    assert group_silence(content(of_pod(1), of_pod(2), **facts)) == group
    assert group_silence(content(line(Told.RESOLVED), also_firing=1, **facts)) == group
    lacking = content(of_pod(1), of_pod(2), lacking=("zone",), **facts)
    assert group_silence(lacking) == {**group, "zone": ""}, "what another group has is not silenced with it"
    assert group_silence(content(line(), **facts)) is None, "one alert has a link of its own"
    assert group_silence(content(line(Told.RESOLVED), line(Told.RESOLVED), **facts)) is None, "nothing fires"
    assert group_silence(content(of_pod(1), of_pod(2), **facts | {"group": {}})) is None, "that would be everything"
    assert group_silence(content(of_pod(1), of_pod(2, links={"silence": "https://g.example"}), **facts)) is None
    assert group_silence(digest(of_pod(1), of_pod(2), **facts)) is None, "several groups"


@pytest.mark.real("amtool")
def test_alertmanager_itself_reads_the_matchers(tmp_path: Path) -> None:
    matchers = unquote(silences.url(ALERTMANAGER, ODD, {}, 2000).removeprefix(FORM))
    routes = [{"matchers": [matchers], "receiver": "silenced"}]
    receivers = [{"name": "all"}, {"name": "silenced"}]
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump({"route": {"receiver": "all", "routes": routes}, "receivers": receivers}))
    for labels, receiver in ((ODD, "silenced"), (ODD | {"quote": "other"}, "all")):
        # An argument is read as a matcher, too: its value in quotes, with the same escapes.
        given = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()]
        command = ["amtool", "config", "routes", "test", f"--config.file={config}", *given]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [receiver]
