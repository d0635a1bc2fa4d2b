"""Whatever is posted: a plain answer, a count, a log line, none of its content repeated, and the process unharmed."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Mapping

import pytest

from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.notifications import alert, encoded, mail_text, notification, slack_text
from tests.end_to_end.processes import PATIENCE, Answer, ReceiverProcess, Start, configuration, until
from tests.smtp_server import SmtpServer

# In every bad body, so that an echo of its content shows.
CANARY = "canary7731"

GOOD = notification(alert("Good", id="id-000001"))
NOT_A_NOTIFICATION = "not_a_notification"


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    """A notification in which the canary lies this deep."""
    return f'{{"alerts": {opening * depth}"{CANARY}"{closing * depth}}}'.encode()


def described(value: str) -> bytes:
    """A notification whose one alert has this JSON text as its annotations."""
    return f'{{"alerts": [{{"labels": {{"alertname": "Odd"}}, "annotations": {value}}}]}}'.encode()


BAD = {
    "empty": (b"", "empty body"),
    "blank": (b" \r\n\t", "empty body"),
    "not JSON": (b"<html>" + CANARY.encode(), "not JSON"),
    "half a body": (GOOD.replace(b"Good", CANARY.encode())[:-20], "not JSON"),
    "two bodies": (GOOD + CANARY.encode() + GOOD, "not JSON"),
    "a form": (b"payload=" + CANARY.encode(), "not JSON"),
    "a text": (json.dumps(CANARY).encode(), "$: "),
    "a list": (json.dumps([CANARY]).encode(), "$: "),
    "no alerts": (json.dumps({"text": CANARY}).encode(), "$.alerts: missing"),
    "alerts null": (json.dumps({"alerts": None, "text": CANARY}).encode(), "$.alerts: "),
    "alerts not a list": (json.dumps({"alerts": {CANARY: 1}}).encode(), "$.alerts: "),
    "nested 10,000 deep": (nested(10_000), "$: nested too deeply"),
    "nested 10,000 deep in objects": (nested(10_000, f'{{"{CANARY}":', "}"), "$: nested too deeply"),
    "nested 200,000 deep": (nested(200_000), "$: nested too deeply"),
    "nested without end": (b"[" * 10_000 + CANARY.encode(), "$: "),
    "an annotation nested 10,000 deep": (described('{"a":' * 10_000 + f'"{CANARY}"' + "}" * 10_000), "$: nested"),
    "invalid UTF-8": (GOOD.replace(b"Good", b"\xff\xfe" + CANARY.encode()), "not JSON"),
    "UTF-16": (f'{{"alerts": ["{CANARY}"]}}'.encode("utf-16"), "not JSON"),
    "NaN": (described(f'{{"{CANARY}": NaN}}'), "not JSON"),
    "Infinity": (GOOD[:-1] + f',"{CANARY}": -Infinity}}'.encode(), "not JSON"),
    "zero bytes": (b"\0" * 100, "not JSON"),
}


def rejections(samples: Mapping[str, float]) -> dict[str, float]:
    """The counts of refused requests by reason, those at 0 left out."""
    pattern = re.compile(r'notifications_rejected_total\{reason="(\w+)"\}')
    found = {match[1]: value for name, value in samples.items() if (match := pattern.fullmatch(name))}
    return {reason: value for reason, value in found.items() if value}


async def refused(receiver: ReceiverProcess, answer: Answer, reason: str, lines_before: int, count: int = 1) -> str:
    """Check what all refusals have in common, the ``count``-th one counted; the answer's one line."""
    assert answer.text.endswith("\n")
    assert "\n" not in answer.text[:-1]
    assert CANARY not in answer.text
    assert len(answer.text) < 200
    assert rejections(await receiver.metrics()) == {reason: count}
    # The metrics were asked for afterwards, so the line about the request is already written.
    await receiver.wait_until(lambda: len(receiver.stderr) > lines_before, "a log line")
    [line] = receiver.stderr[lines_before:]
    assert f"reason={reason}" in line
    assert "level=warn" in line
    assert CANARY not in "".join(receiver.stderr)
    return answer.text.removesuffix("\n")


async def still_works(receiver: ReceiverProcess, smtp: SmtpServer) -> None:
    """A good notification is taken and told, and the process ends in peace."""
    assert (await receiver.post(GOOD)).status == 200
    async with asyncio.timeout(PATIENCE):
        [mail] = await smtp.wait_for(1)
    assert "id-000001" in mail_text(mail.data)
    assert await receiver.terminate() == 0


@pytest.fixture
async def receiver(start: Start, smtp: SmtpServer, slack: SlackEndpoint) -> ReceiverProcess:
    """A receiver that takes bodies up to 1 MiB."""
    return await start(configuration(smtp.port, slack.url), "--web.max-body=1MiB")


async def test_what_is_no_notification_is_refused_with_the_first_bad_path_and_nothing_of_its_content(
    receiver: ReceiverProcess, smtp: SmtpServer
) -> None:
    wrong = []
    for number, (name, (body, expected)) in enumerate(BAD.items(), 1):
        before = len(receiver.stderr)
        answer = await receiver.post(body)
        text = answer.text.removesuffix("\n")
        if answer.status != 400 or expected not in text or "\n" in text or CANARY in text or len(text) > 200:
            wrong.append((name, answer))
        assert rejections(await receiver.metrics()) == {NOT_A_NOTIFICATION: number}, name
        await receiver.wait_until(lambda before=before: len(receiver.stderr) > before, "a log line")  # type: ignore[misc]
        assert len(receiver.stderr) == before + 1, name
    assert not wrong
    assert CANARY not in "".join(receiver.stderr)
    await still_works(receiver, smtp)


async def test_of_duplicate_keys_the_last_one_wins(receiver: ReceiverProcess, smtp: SmtpServer) -> None:
    body = GOOD[:-1] + b',"alerts":' + encoded({"a": [alert("Last", id="id-000002")]})[5:-1] + b"}"
    assert body.count(b'"alerts"') == 2
    assert (await receiver.post(body)).status == 200
    async with asyncio.timeout(PATIENCE):
        [mail] = await smtp.wait_for(1)
    assert "id-000002" in mail_text(mail.data)
    assert "id-000001" not in mail_text(mail.data)
    assert rejections(await receiver.metrics()) == {}
    assert await receiver.terminate() == 0


async def test_a_body_over_the_limit_is_refused_with_413_and_says_which_option_raises_it(
    receiver: ReceiverProcess, smtp: SmtpServer
) -> None:
    for count, size in enumerate(((1 << 20) + 1, 20 << 20), 1):
        before = len(receiver.stderr)
        filling = CANARY.encode() * (size // len(CANARY) + 1)
        answer = await receiver.post(filling[:size])
        assert answer.status == 413
        assert "--web.max-body" in await refused(receiver, answer, "too_large", before, count)
    await still_works(receiver, smtp)


async def test_a_body_over_the_limit_is_refused_without_a_length_too(
    receiver: ReceiverProcess, smtp: SmtpServer
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield CANARY.encode() * 5_000

    before = len(receiver.stderr)
    answer = await receiver.post(endless())
    assert answer.status == 413
    await refused(receiver, answer, "too_large", before)
    await still_works(receiver, smtp)


async def test_a_content_encoding_is_refused_with_415_whether_the_body_is_valid_or_not(
    receiver: ReceiverProcess, smtp: SmtpServer
) -> None:
    bodies = (
        ("gzip", gzip.compress(GOOD)),
        ("gzip", b"\x1f\x8b" + CANARY.encode()),
        ("deflate", CANARY.encode()),
        ("br", CANARY.encode()),
        (f"x-{CANARY}", GOOD),
    )
    for count, (encoding, body) in enumerate(bodies, 1):
        before = len(receiver.stderr)
        answer = await receiver.post(body, headers={"Content-Encoding": encoding})
        assert answer.status == 415, encoding
        assert "Content-Encoding" in await refused(receiver, answer, "content_encoding", before, count)
    await still_works(receiver, smtp)


async def test_a_chunked_body_is_as_good_as_any(receiver: ReceiverProcess, smtp: SmtpServer) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(GOOD), 100):
            yield GOOD[at : at + 100]

    assert (await receiver.post(chunks())).status == 200
    async with asyncio.timeout(PATIENCE):
        [mail] = await smtp.wait_for(1)
    assert "id-000001" in mail_text(mail.data)
    assert await receiver.terminate() == 0


async def test_a_wrong_path_or_method_is_answered_plainly_and_counted(
    receiver: ReceiverProcess, smtp: SmtpServer
) -> None:
    requests = (
        ("POST", f"/{CANARY}", 404, "POST", 1),
        ("POST", f"/webhook/a/{CANARY}", 404, "POST", 2),
        ("GET", "/webhook", 405, "GET", 1),
        ("GET", f"/webhook/{CANARY}", 405, "GET", 2),
        ("PUT", "/webhook", 405, "other", 1),
    )
    for method, path, status, label, count in requests:
        answer = await receiver.request(method, path, f"body of {CANARY}".encode())
        assert answer.status == status, path
        assert answer.text.count("\n") == 1
        assert CANARY not in answer.text
        assert (answer.headers.get("Allow") == "POST") == (status == 405)
        samples = await receiver.metrics()
        assert (
            samples[f'http_request_duration_seconds_count{{code="{status}",handler="other",method="{label}"}}'] == count
        )
        assert CANARY not in "".join(samples)
        # The path is said, so that it can be put right; the body is not.
        assert f"body of {CANARY}" not in "".join(receiver.stderr)
    await still_works(receiver, smtp)


async def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(
    receiver: ReceiverProcess, smtp: SmtpServer
) -> None:
    host, port = receiver.url.removeprefix("http://").split(":")
    for _ in range(20):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + CANARY.encode())
        await writer.drain()
        writer.transport.abort()

    async def counted() -> bool:
        return rejections(await receiver.metrics()) == {"disconnected": 20}

    await until(counted, "every one is counted")
    assert not any("level=error" in line for line in receiver.stderr)
    await still_works(receiver, smtp)
    assert CANARY not in "".join(receiver.stderr)


# Malformed alerts, and the place that the reason names.
ODD: tuple[tuple[object, str], ...] = (
    ({"labels": "broken", "status": "firing"}, "labels"),
    ({"status": "firing", "labels": {"alertname": "Odd", "id": 99}}, "labels"),
    ({"status": "firing", "annotations": {"summary": "lost"}}, "labels"),
    (alert("Odd", number="3") | {"startsAt": "yesterday"}, "startsAt"),
    (alert("Odd", number="4") | {"status": "smouldering"}, "status"),
    (42, "$.alerts[5]"),
)


async def test_one_malformed_alert_among_ten_good_ones_is_told_in_a_plain_form_beside_them(
    receiver: ReceiverProcess, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    for count, (malformed, place) in enumerate(ODD, 1):
        first = 100 * count
        body = json.loads(notification(*(alert(f"Good{count}", id=f"id-{first + n:06}") for n in range(10))))
        body["alerts"].insert(5, malformed)
        smtp.mails.clear()
        slack.messages.clear()
        assert (await receiver.post(encoded(body))).status == 200
        for channel in ("mail", "chat"):
            await receiver.settled(channel, accepted=11 * count, delivered=11 * count)
        mails = "\n".join(mail_text(mail.data) for mail in smtp.mails)
        messages = "\n".join(slack_text(message.payload) for message in slack.messages)
        for text in (mails, messages):
            for n in range(10):
                assert f"id-{first + n:06}" in text
            [reason] = re.findall(r"could not be read as it was sent: (.*)", text)
            assert place in reason
        samples = await receiver.metrics()
        assert samples["alerts_unreadable_total"] == count
        assert rejections(samples) == {}
    assert await receiver.terminate() == 0


async def test_a_refused_notification_leaves_no_trace_in_the_books(receiver: ReceiverProcess) -> None:
    for body, _ in BAD.values():
        assert (await receiver.post(body)).status == 400
    samples = await receiver.metrics()
    for name in ('notifications_received_total{source="default"}', 'alerts_received_total{status="firing"}'):
        assert samples[name] == 0
    for channel in ("mail", "chat"):
        assert await receiver.ledger(channel) == {}

    async def ready() -> bool:
        return (await receiver.request("GET", "/-/ready")).status == 200

    await until(ready, "it is ready")
