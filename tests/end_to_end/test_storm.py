"""One notification of 10,000 alerts: taken at once, told in messages that people can read."""

import re
import time

from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.notifications import counted, encoded, mail_text, slack_text, storm
from tests.end_to_end.processes import Start, configuration
from tests.smtp_server import SmtpServer

ALERTS = 10_000
MOST_SECONDS = 2.0
MOST_BYTES = 100_000


async def test_ten_thousand_alerts_are_accepted_within_two_seconds_and_told_in_readable_messages(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url))
    body = encoded(storm(ALERTS))
    assert 9_500_000 < len(body) < 10_500_000

    began = time.perf_counter()
    answer = await receiver.post(body)
    took = time.perf_counter() - began
    print(f"{ALERTS:,} alerts, {len(body):,} bytes, accepted in {took:.2f} s")  # noqa: T201 - a figure worth seeing
    assert answer.status == 200
    assert took < MOST_SECONDS

    for channel in ("mail", "chat"):
        await receiver.settled(channel, accepted=ALERTS, delivered=ALERTS)
    sizes = [len(mail.data) for mail in smtp.mails]
    told = [time.perf_counter() - began, len(smtp.mails), max(sizes), len(slack.messages)]
    print("told after {:.2f} s: {} mails of at most {:,} bytes, {} Slack messages".format(*told))  # noqa: T201
    assert max(sizes) <= MOST_BYTES
    # The endpoint refuses what Slack refuses; here nothing was.
    assert slack.requests == len(slack.messages)
    texts = [mail_text(mail.data) for mail in smtp.mails], [slack_text(message.payload) for message in slack.messages]
    for channel_texts in texts:
        assert sum(map(counted, channel_texts)) == ALERTS
        # Few messages for many alerts: at most one a group, and each names alerts before it counts the rest.
        assert len(channel_texts) <= 10
        for text in channel_texts:
            assert len(re.findall(r"id-\d{6}", text)) >= 5
            assert re.search(r"and [\d,]+ more", text)
    assert await receiver.terminate() == 0
