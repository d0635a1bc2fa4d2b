"""What becomes of a webhook body: a notification, whole or with odd alerts salvaged, or a refusal with its reason."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.alerts import Alert, Notification, Status, identity
from receiver.decode import NotANotification, TooManyAlerts, decode

CAPTURED = sorted((Path(__file__).parent / "captured").glob("*.json"))
NOW = 1_795_239_000_000
START = 1_795_207_926_000  # 2026-11-20T20:52:06Z


def read(body: object) -> Notification:
    return decode(json.dumps(body).encode(), received_at=NOW)


def alert(**fields: object) -> dict[str, object]:
    return {"status": "firing", "labels": {"alertname": "Up"}, "startsAt": "2026-11-20T20:52:06Z", **fields}


def only(*alerts: object) -> Alert:
    """The first of the alerts, decoded."""
    return read({"alerts": alerts}).alerts[0]


def attempt(body: bytes) -> Notification | str:
    """The notification, or the reason why it is none; anything else raised is a failure."""
    try:
        return decode(body, received_at=NOW)
    except NotANotification as refused:
        return str(refused)


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_every_captured_body_is_read_without_a_defect(path: Path) -> None:
    body = path.read_bytes()
    sent = json.loads(body)
    notification = decode(body, source="eu", addressed_to="ops", received_at=NOW)
    assert (notification.source, notification.addressed_to) == ("eu", "ops")
    assert notification.external_url == sent["externalURL"]
    assert notification.truncated == sent["truncatedAlerts"]
    assert len(notification.alerts) == len(sent["alerts"])
    for decoded, original in zip(notification.alerts, sent["alerts"], strict=True):
        assert decoded.labels == original["labels"]
        assert decoded.annotations == original["annotations"]
        assert decoded.status == original["status"]
        assert decoded.generator_url == original["generatorURL"]
        assert decoded.fingerprint == original["fingerprint"]
        assert decoded.starts_at == START
        assert decoded.ends_at == (START + 4_000 if decoded.status is Status.RESOLVED else None)
        assert decoded.defect is None
        assert decoded.links == {}


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_one_odd_alert_does_not_change_its_neighbours(path: Path) -> None:
    sent = json.loads(path.read_bytes())
    whole = read(sent).alerts
    sent["alerts"].insert(0, 42)
    odd, *others = read(sent).alerts
    assert tuple(others) == whole
    assert odd.defect == "$.alerts[0]: expected object, got int"


def test_a_grafana_body_is_read_with_its_links() -> None:
    body = {
        "receiver": "ops", "status": "firing", "orgId": 1, "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0,
        "externalURL": "https://grafana.example.com/", "title": "[FIRING:1]", "state": "alerting", "message": "m",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "appVersion": "12.0.0",
        "alerts": [alert(
            endsAt="0001-01-01T00:00:00Z", startsAt="2026-11-20T21:52:06.123456789+01:00",
            fingerprint="c6eadffa33fcdf37", values={"B": 44.2, "C": 1}, valueString="[ var='B' ]", orgId=1,
            imageURL="https://grafana.example.com/i.png", silenceURL="https://grafana.example.com/s",
            dashboardURL="https://grafana.example.com/d", panelURL="",
        )],
    }  # fmt: skip
    notification = read(body)
    (decoded,) = notification.alerts
    assert notification.external_url == "https://grafana.example.com/"
    assert decoded.links == {
        "dashboard": "https://grafana.example.com/d",
        "silence": "https://grafana.example.com/s",
    }
    assert decoded.starts_at == START + 123
    assert decoded.defect is None


def test_newer_alertmanagers_fields_are_accepted() -> None:
    body = {"alerts": [alert(new=[1])], "notification_reason": "new alerts", "routeLabels": {"a": "b"}}
    assert read(body).alerts[0].defect is None


def test_only_alerts_is_required() -> None:
    assert read({"alerts": []}) == Notification(())
    bare = only({"labels": {"alertname": "Up"}})
    assert bare == Alert(Status.FIRING, {"alertname": "Up"}, {}, NOW, None, start_known=False)


def test_each_alerts_own_status_counts() -> None:
    notification = read({"status": "resolved", "alerts": [alert(), alert(status="resolved")]})
    assert [decoded.status for decoded in notification.alerts] == [Status.FIRING, Status.RESOLVED]


@pytest.mark.parametrize(
    ("fields", "starts_at", "ends_at"),
    [
        ({}, START, None),
        ({"endsAt": "2026-11-20T21:00:00Z"}, START, None),
        ({"status": "resolved", "endsAt": "2026-11-20T20:52:06.9994Z"}, START, START + 999),
        ({"status": "resolved", "endsAt": "2026-11-20T20:52:06-05:30"}, START, START + 19_800_000),
        ({"status": "resolved", "endsAt": "0001-01-01T00:00:00Z"}, START, NOW),
        ({"status": "resolved"}, START, NOW),
        ({"status": "resolved", "endsAt": None}, START, NOW),
        ({"startsAt": "0001-01-01T00:00:00Z"}, NOW, None),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, NOW, None),
        ({"startsAt": None}, NOW, None),
        ({"startsAt": "1969-12-31T23:59:59.999Z"}, -1, None),
    ],
)
def test_times_become_milliseconds_and_absent_ones_are_the_arrival(
    fields: dict[str, object], starts_at: int, ends_at: int | None
) -> None:
    decoded = only(alert(**fields))
    assert (decoded.starts_at, decoded.ends_at, decoded.defect) == (starts_at, ends_at, None)


@pytest.mark.parametrize("start", [None, "0001-01-01T00:00:00Z", "yesterday", 7])
def test_a_start_that_is_missing_or_unreadable_is_said_to_be_unknown(start: object) -> None:
    assert not only(alert(startsAt=start)).start_known
    assert only(alert()).start_known


@pytest.mark.parametrize("odd", ["{}", "7", '{"labels": {"a": 1}}'])
def test_an_odd_alert_that_is_repeated_byte_for_byte_is_one_alert(odd: str) -> None:
    [sound, folded] = decode(
        f'{{"alerts": [{{"labels": {{"a": "b"}}}},{odd},{odd},{odd}]}}'.encode(), received_at=NOW
    ).alerts
    assert sound.defect is None
    assert folded.defect is not None
    assert folded.defect.startswith("$.alerts[1]")


@pytest.mark.parametrize("item", [b"{}", b"0", b'{"labels":{"a":"b"}}', rb'"\ud800"'])
def test_a_body_with_more_alerts_than_the_process_can_afford_is_refused(item: bytes) -> None:
    body = b'{"alerts":[' + b",".join([item] * 100_000) + b"]}"
    assert decode(body, received_at=NOW).alerts
    with pytest.raises(TooManyAlerts, match="max_alerts"):
        decode(body.replace(b"[", b"[7,", 1), received_at=NOW)


@pytest.mark.parametrize("body", ['{"alerts":[],"x":[%s]}', '{"alerts":[{"labels":{"a":%s}}]}', '{"alerts":[%s'])
def test_a_body_with_more_values_than_the_process_can_afford_is_refused(body: str) -> None:
    with pytest.raises(TooManyAlerts):
        decode((body % ("0," * 2_000_001)).encode(), received_at=NOW)


def test_a_url_that_is_too_long_is_dropped_and_the_longest_is_kept_whole() -> None:
    longest, longer = "u" * 4_096, "u" * 4_097
    assert [read({"alerts": [], "externalURL": url}).external_url for url in (longest, longer)] == [longest, ""]
    assert [only(alert(generatorURL=url)).generator_url for url in (longest, longer)] == [longest, ""]
    decoded = only(alert(dashboardURL=longest, panelURL=longer, silenceURL=longer, labels={"a": 1}))
    assert decoded.links == {"dashboard": longest}


def test_a_fingerprint_that_is_too_long_for_one_is_dropped() -> None:
    assert only(alert(fingerprint="f" * 128)).fingerprint == "f" * 128
    assert only(alert(fingerprint="f" * 129)).fingerprint == ""


def test_labels_are_kept_whole_up_to_a_limit_and_cut_beyond_it() -> None:
    labels = {"alertname": "Up", "big": "x" * 65_522}
    assert only(alert(labels=labels)).labels == labels
    decoded = only(alert(labels={**labels, "big": "x" * 65_523}))
    assert decoded.labels["alertname"] == "Up"
    assert decoded.labels["big"] == "x" * 1_000 + "…"
    assert decoded.defect == "$.alerts[...].labels: longer than 65536 characters together"


def test_alerts_whose_labels_were_cut_stay_two_alerts() -> None:
    one, two = (only(alert(labels={"alertname": "Up", "big": "x" * 100_000 + end})) for end in "ab")
    assert one.labels["raw_sha256"] != two.labels["raw_sha256"]
    assert identity("default", one.labels, []) != identity("default", two.labels, [])


@pytest.mark.parametrize("labels", [{f"name{n:06}": "v" * 50 for n in range(20_000)}, {"n" * 100_000: "v", "a": "b"}])
def test_labels_that_are_too_many_or_have_endless_names_are_cut_too(labels: dict[str, str]) -> None:
    decoded = only(alert(labels=labels))
    assert sum(len(name) + len(value) for name, value in decoded.labels.items()) < 66_000
    assert len(decoded.labels) > 1


@pytest.mark.parametrize(
    ("fields", "defect"),
    [
        ({"startsAt": "yesterday, MARK"}, ".startsAt: invalid RFC3339 encoded datetime"),
        ({"startsAt": "2026-11-20T20:52:06"}, ".startsAt: expected datetime with a timezone component"),
        ({"startsAt": 1.5e300}, ".startsAt: expected datetime | null, got float"),
        ({"status": "MARK"}, ".status: invalid enum value"),
        ({"generatorURL": ["MARK"]}, ".generatorURL: expected str, got array"),
        ({"annotations": {"MARK": {"MARK": 1}}}, ".annotations[...]: expected str, got object"),
        ({"annotations": "MARK"}, ".annotations: expected object, got str"),
        ({"labels": {"alertname": "Up", "MARK": 7}}, ".labels[...]: expected str, got int"),
    ],
)
def test_an_odd_alert_is_told_with_the_path_of_what_is_wrong(fields: dict[str, object], defect: str) -> None:
    sound, odd = read({"alerts": [alert(), alert(**fields)]}).alerts
    assert sound.defect is None
    assert odd.defect == f"$.alerts[1]{defect}"
    assert odd.labels["alertname"] == "Up"
    assert odd.status is Status.FIRING
    assert odd.starts_at == (NOW if "startsAt" in fields else START)


def test_an_odd_alert_keeps_what_can_be_read() -> None:
    odd = only(
        alert(
            status="resolved", fingerprint=1, startsAt="?", endsAt="2026-11-20T20:52:06Z", generatorURL="u",
            labels={"alertname": "Up", "n": 7, "f": 1.50, "t": True, "o": {"a": [1]}, "none": None},
            annotations={"summary": "s", "value": 3},
        )
    )  # fmt: skip
    assert odd.labels == {"alertname": "Up", "n": "7", "f": "1.5", "t": "true", "o": '{"a": [1]}'}
    assert odd.annotations == {"summary": "s", "value": "3"}
    assert (odd.status, odd.starts_at, odd.ends_at, odd.generator_url) == (Status.RESOLVED, NOW, START, "u")


@pytest.mark.parametrize("odd", [[], {}, None, "text", 7, {"labels": {}}, {"labels": ["a"]}, {"labels": None}])
def test_an_alert_without_labels_is_told_as_unreadable_with_its_text(odd: object) -> None:
    decoded = only(odd)
    assert decoded.labels["alertname"] == "UnreadableAlert"
    assert re.fullmatch("[0-9a-f]{16}", decoded.labels["raw_sha256"])
    assert decoded.annotations["raw"] == json.dumps(odd)
    assert decoded.defect is not None
    assert decoded.defect.startswith("$.alerts[0]")


def test_the_text_of_an_unreadable_alert_ends_after_a_thousand_characters() -> None:
    assert only("é" * 2_000).annotations["raw"] == json.dumps("é" * 2_000)[:1_000]


def test_distinct_odd_alerts_stay_distinct_and_equal_ones_equal() -> None:
    odd = [1, 2, [], {"labels": {"x": [1]}}, {"labels": {"x": [2]}}, {"labels": [3]}, {"labels": [4]}]
    first, again = read({"alerts": odd}).alerts, read({"alerts": odd}).alerts
    keys = [identity("default", decoded.labels, []) for decoded in first]
    assert len(set(keys)) == len(odd)
    assert keys == [identity("default", decoded.labels, []) for decoded in again]


@pytest.mark.parametrize("truncated", [-1, "3", 2.5, 2**70, None, []])
def test_a_truncation_count_that_is_none_counts_as_zero(truncated: object) -> None:
    notification = read({"alerts": [alert()], "truncatedAlerts": truncated, "externalURL": "http://am"})
    assert (notification.truncated, notification.external_url) == (0, "http://am")
    assert notification.alerts == (only(alert()),)


def test_an_external_url_that_is_none_costs_no_alert() -> None:
    notification = read({"alerts": [alert()], "externalURL": 5, "truncatedAlerts": 2})
    assert (notification.external_url, notification.truncated, len(notification.alerts)) == ("", 2, 1)


def test_of_duplicate_keys_the_last_one_wins() -> None:
    body = b'{"alerts": [], "alerts": [{"labels": {"a": "1", "a": "2"}, "status": "resolved", "status": "firing"}]}'
    (decoded,) = decode(body, received_at=NOW).alerts
    assert (decoded.labels, decoded.status) == ({"a": "2"}, Status.FIRING)


@pytest.mark.parametrize(
    ("escaped", "meant"),
    [
        (r"\ud800", "\ufffd"),
        (r"x\udc00y", "x\ufffdy"),
        (r"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        (r"\\ud800 \ud800", "\\ud800 \ufffd"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_a_lone_surrogate_becomes_the_replacement_character(escaped: str, meant: str) -> None:
    body = b'{"alerts": [{"labels": {"alertname": "%s"}}, 7]}' % escaped.encode()
    decoded, odd = decode(body, received_at=NOW).alerts
    assert (decoded.labels, decoded.defect) == ({"alertname": meant}, None)
    assert odd.defect == "$.alerts[1]: expected object, got int"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "$: empty body"),
        (b" \n", "$: empty body"),
        (b"alerts=MARK", "$: not JSON"),
        (b'{"alerts": []} MARK', "$: not JSON"),
        (b'{"alerts": [NaN]}', "$: not JSON"),
        (b'{"alerts": [], "x": -Infinity}', "$: not JSON"),
        (b'{"alerts": [{"labels": {"a": "\xff"}}]}', "$: not JSON"),
        (b'{"alerts": [{"labels": {"a": "\\ud800"}}, NaN]}', "$: not JSON"),
        (b'{"alerts": [{"labels": {"a": "\\ud800 \\Ud800 \\ud8zz"}}]}', "$: not JSON"),
        (b'{"alerts": [{"labels": {"a": "b\nc"}}]}', "$: not JSON"),
        (b'\xef\xbb\xbf{"alerts": []}', "$: not JSON"),
        ('{"alerts": []}'.encode("utf-16"), "$: not JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "$: expected object, got array"),
        (b'{"alerts": [], "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "$: nested too deeply"),
        (b'{"alerts": [' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"]}", "$: nested too deeply"),
        (b'{"x": "\\ud800", "alerts": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "$: nested too deeply"),
        (b'"MARK"', "$: expected object, got str"),
        (b'[{"MARK": 1}]', "$: expected object, got array"),
        (b'{"alerts": {"MARK": 1}}', "$.alerts: expected array, got object"),
        (b'{"alerts": null}', "$.alerts: expected array, got null"),
        (b'{"text": "MARK"}', "$.alerts: missing; has Alertmanager's `payload:` option replaced the body?"),
    ],
    ids=range(21),
)
def test_what_is_no_notification_is_refused_with_a_reason_that_echoes_nothing(body: bytes, reason: str) -> None:
    assert attempt(body) == reason


@pytest.mark.parametrize("alerts", [b"[%s]", b'[{"labels": {"a": %s}}]', b'[1, {"labels": {"a": "b"}, "x": %s}]'])
def test_any_depth_is_either_read_or_refused(alerts: bytes) -> None:
    # The limit depends on how deep the caller is; just under it is where the second reading could go over.
    for depth in range(700, 1_010):
        told = attempt(b'{"alerts": ' + alerts % (b"[" * depth + b"]" * depth) + b"}")
        assert isinstance(told, Notification) or told == "$: nested too deeply"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ODD_ALERT = st.dictionaries(
    st.sampled_from(
        ["labels", "annotations", "status", "startsAt", "endsAt", "generatorURL", "fingerprint", "panelURL", "x"]
    ),
    ANY_JSON | st.sampled_from(["firing", "resolved", "2026-11-20T20:52:06Z", "0001-01-01T00:00:00Z"]),
)
BODY = ANY_JSON | st.fixed_dictionaries(
    {"alerts": st.lists(ODD_ALERT | ANY_JSON, max_size=5) | ANY_JSON},
    optional={"externalURL": ANY_JSON, "truncatedAlerts": ANY_JSON},
)


@given(BODY, st.booleans())
def test_any_json_is_read_completely_or_refused(body: Any, ascii_only: bool) -> None:
    notification = attempt(json.dumps(body, ensure_ascii=ascii_only).encode())
    if isinstance(notification, str):
        assert notification.isprintable()
        assert not (isinstance(body, dict) and isinstance(body.get("alerts"), list))
        return
    distinct = {json.dumps(sent, ensure_ascii=ascii_only) for sent in body["alerts"]}
    assert len(distinct) <= len(notification.alerts) <= len(body["alerts"])
    assert 0 <= notification.truncated < 2**31
    for decoded in notification.alerts:
        assert decoded.labels
        assert all(isinstance(text, str) for text in (*decoded.labels.values(), *decoded.annotations.values()))
        assert (decoded.ends_at is None) == (decoded.status is Status.FIRING)
        assert decoded.defect is None or decoded.defect.isprintable()
        identity("default", decoded.labels, [])  # what can't be encoded would fail here


@given(st.recursive(st.just("QWERTZ"), lambda inner: st.lists(inner) | st.dictionaries(st.just("QWERTZ"), inner)))
def test_no_defect_and_no_reason_repeats_content(odd: Any) -> None:
    fields = ["labels", "annotations", "status", "startsAt", "endsAt", "generatorURL", "fingerprint"]
    bodies: list[Any] = [odd, {"alerts": odd}, {"alerts": [odd]}, *({"alerts": [{name: odd}]} for name in fields)]
    for body in bodies:
        told = attempt(json.dumps(body).encode())
        defects = [told] if isinstance(told, str) else [decoded.defect or "" for decoded in told.alerts]
        assert not any("QWERTZ" in text for text in defects)


@given(st.binary() | st.binary().map(lambda octets: b'{"alerts": [{"labels": {"a": "' + octets + b'"}}]}'))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    told = attempt(body)
    assert isinstance(told, Notification) or told.isprintable()
