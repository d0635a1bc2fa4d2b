"""Every failure has words: what happened, and what to do."""

from types import ModuleType

import pytest

from receiver.channels import console, email, slack, slack_bot
from receiver.config.types import CHANNEL_TYPES
from receiver.messages.failures import ADVICE, SAID, advice, said

CHANNELS: dict[str, ModuleType] = {"email": email, "slack": slack, "slack_bot": slack_bot, "console": console}
ALL = [(kind, reason) for kind, words in SAID.items() for reason in words]


def test_every_kind_of_channel_has_words() -> None:
    assert set(CHANNELS) == set(SAID) == set(ADVICE) == {*CHANNEL_TYPES, "slack_bot"}


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_reason_of_every_channel_has_words_and_no_other_has(kind: str) -> None:
    assert set(SAID[kind]) == set(CHANNELS[kind].REASONS)
    assert set(ADVICE[kind]) == set(CHANNELS[kind].REASONS)


@pytest.mark.parametrize(("kind", "reason"), ALL)
def test_what_happened_reads_well_within_a_sentence(kind: str, reason: str) -> None:
    clause = said(kind, reason, None)
    assert clause[0].islower() or clause.startswith("Slack")
    assert clause[-1].isalpha() or clause[-1] == ")"
    assert ";" not in clause
    assert ": " not in clause
    assert len(clause) <= 70


@pytest.mark.parametrize(("kind", "reason"), ALL)
def test_what_to_do_is_a_short_order_that_may_end_a_sentence(kind: str, reason: str) -> None:
    order = advice(kind, reason)
    assert order[0].islower()
    assert order[-1] not in ".;,"
    assert ";" not in order
    assert len(order) <= 170


@pytest.mark.parametrize(
    ("kind", "reason", "code", "words"),
    [
        ("email", "auth_failed", 535, "the mail server refused the username or password (SMTP 535)"),
        ("email", "recipients_refused", 450, "the mail server accepted none of the recipients (SMTP 450, temporary)"),
        ("email", "connection_refused", None, "the mail server refused the connection"),
        ("slack", "invalid_token", 403, "Slack refused the webhook's token (HTTP 403)"),
        ("slack", "http_error", 404, "the webhook's address answered with an error (HTTP 404)"),
        ("slack_bot", "token_revoked", None, "the bot's token was revoked"),
        ("slack_bot", "rate_limited", 429, "Slack asks for fewer messages (HTTP 429)"),
        ("console", "stream_closed", None, "the receiver's output is closed"),
    ],
)
def test_a_code_is_shown_with_its_protocol_and_whether_it_passes(
    kind: str, reason: str, code: int | None, words: str
) -> None:
    assert said(kind, reason, code) == words


def test_a_reason_of_another_version_speaks_for_itself() -> None:
    assert said("email", "moon_in_the_way", 599) == "moon in the way (SMTP 599)"
    assert said("pigeon", "outage", None) == "outage"
    assert advice("pigeon", "outage") == "look in the receiver's log"
