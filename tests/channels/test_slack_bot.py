"""The Slack bot against a workspace that keeps state as Slack does, over real HTTP."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from receiver.channels.base import DeliveryError, Receipt
from receiver.channels.slack_bot import SAME, UNANSWERABLE, UNEDITABLE, UNSURE, WORDS, SlackBotChannel
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass
from receiver.secret import Secret
from tests.slack_workspace import TOKEN, Failing, Workspace, posts

TRANSIENT, MISCONFIGURED, REJECTED = FailureClass.TRANSIENT, FailureClass.MISCONFIGURED, FailureClass.REJECTED
BLOCKS = ({"type": "section", "text": {"type": "plain_text", "text": "Größe 🔥"}},)
OTHER_BLOCKS = ({"type": "divider"},)
FIRING = Rendered(subject="s", text="[FIRING:1] a", blocks=BLOCKS, attachments=({"fallback": "x"},))
MORE = replace(FIRING, text="[FIRING:2] b, c", first=Rendered(subject="s", text="[FIRING:3] a, b, c"))
RESOLVED = replace(FIRING, text="[RESOLVED] a", first=Rendered(subject="s", text="[RESOLVED] a, b, c"), quiet=True)
PLAIN = Rendered(subject="s", text="plain")


@pytest.fixture
def clock() -> list[float]:
    """The workspace's time, in seconds."""
    return [0.0]


@pytest.fixture
async def workspace(clock: list[float]) -> AsyncIterator[Workspace]:
    running = Workspace(clock=lambda: clock[0])
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def bot(workspace: Workspace) -> AsyncIterator[SlackBotChannel]:
    made = bot_of(workspace)
    yield made
    await made.close()


def bot_of(workspace: Workspace, channel: str = "#ops", token: str = TOKEN, timeout: float = 5.0) -> SlackBotChannel:
    return SlackBotChannel("ops", bot_token=Secret(token), channel=channel, api_url=workspace.url, timeout=timeout)


async def tell(bot: SlackBotChannel, rendered: Rendered, thread: str | None = None) -> Receipt:
    """Build and send; what is stored holds no token."""
    payload = bot.build(rendered, "01A", 0, thread)
    assert payload.isascii()
    assert b"xoxb" not in payload
    async with asyncio.timeout(10):
        return await bot.send(payload, ())


async def begun(bot: SlackBotChannel) -> str:
    """The thread that a first message began."""
    thread = (await tell(bot, FIRING)).thread
    assert thread is not None
    return thread


async def failure(bot: SlackBotChannel, rendered: Rendered = FIRING, thread: str | None = None) -> Failure:
    """The failure of one attempt that must not succeed; it must not tell the token."""
    with pytest.raises(DeliveryError) as caught:
        await tell(bot, rendered, thread)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "xoxb" not in repr(caught.value)
    return caught.value.failure


# As the API sees a thread.


async def test_the_first_message_begins_the_thread(workspace: Workspace, bot: SlackBotChannel) -> None:
    receipt = await tell(bot, FIRING)
    [root] = workspace.messages
    assert receipt == Receipt(200, thread=f"#ops/C0OPS/{root.ts}")
    assert workspace.view("ops") == ["[FIRING:1] a"]
    [(method, arguments)] = workspace.calls
    assert method == "chat.postMessage"
    assert arguments == {
        "channel": "#ops",
        "text": FIRING.text,
        "blocks": list(BLOCKS),
        "attachments": [{"fallback": "x"}],
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert list(bot.recipients) == []


async def test_more_alerts_are_a_reply_that_the_channel_sees_and_the_first_message_says_so_too(
    workspace: Workspace, bot: SlackBotChannel
) -> None:
    thread = await begun(bot)
    assert await tell(bot, MORE, thread) == Receipt(200)
    assert workspace.view("ops") == ["[FIRING:3] a, b, c", "↳ [FIRING:2] b, c"]
    assert workspace.thread(workspace.messages[0].ts) == ["[FIRING:3] a, b, c", "[FIRING:2] b, c"]
    assert [method for method, _ in workspace.calls[1:]] == ["chat.update", "chat.postMessage"]


async def test_an_edit_leaves_nothing_of_what_was_there(workspace: Workspace, bot: SlackBotChannel) -> None:
    thread = await begun(bot)
    await tell(bot, MORE, thread)
    assert workspace.messages[0].content == {"text": "[FIRING:3] a, b, c", "blocks": [], "attachments": []}
    [update] = [arguments for method, arguments in workspace.calls if method == "chat.update"]
    assert (update["channel"], update["parse"], update["link_names"]) == ("C0OPS", "none", False)


async def test_what_only_resolves_is_a_reply_in_the_thread_alone(workspace: Workspace, bot: SlackBotChannel) -> None:
    thread = await begun(bot)
    await tell(bot, RESOLVED, thread)
    assert workspace.view("ops") == ["[RESOLVED] a, b, c"]
    assert workspace.thread(workspace.messages[0].ts) == ["[RESOLVED] a, b, c", "[RESOLVED] a"]


async def test_a_digest_edits_the_first_messages_of_what_is_over(workspace: Workspace, bot: SlackBotChannel) -> None:
    thread, other = await begun(bot), await begun(bot)
    over = Rendered("over", "[RESOLVED] a")
    digest = replace(FIRING, text="[DIGEST]", edits=((thread, over), ("elsewhere/C1/1.2", over)))
    assert (await tell(bot, digest)).thread != thread
    assert workspace.view("ops") == ["[RESOLVED] a", "[FIRING:1] a", "[DIGEST]"]
    assert [method for method, _ in workspace.calls[2:]] == ["chat.postMessage", "chat.update"]
    assert other != thread


@pytest.mark.parametrize("how", [Failing(status=500), Failing(word="ratelimited", status=429), Failing(drop=True)])
async def test_a_digest_that_was_posted_is_told_whatever_becomes_of_the_edits(
    workspace: Workspace, bot: SlackBotChannel, how: Failing
) -> None:
    thread = await begun(bot)
    workspace.fail_next("chat.update", how)
    edits = ((thread, Rendered("over", "[RESOLVED] a")),) * 3
    receipt = await tell(bot, replace(FIRING, text="[DIGEST]", edits=edits))
    assert receipt.thread is not None
    assert [method for method, _ in workspace.calls[1:]].count("chat.update") <= 1, "where one fails, none is tried"
    assert workspace.view("ops") == ["[FIRING:1] a", "[DIGEST]"]


async def test_the_plain_form_is_a_reply_without_an_edit(workspace: Workspace, bot: SlackBotChannel) -> None:
    thread = await begun(bot)
    assert await tell(bot, PLAIN, thread) == Receipt(200)
    assert workspace.view("ops") == ["[FIRING:1] a", "↳ plain"]


@pytest.mark.parametrize("last", [MORE, PLAIN])
async def test_where_the_first_message_was_deleted_a_new_one_begins_a_thread(
    workspace: Workspace, bot: SlackBotChannel, last: Rendered
) -> None:
    gone = await begun(bot)
    workspace.delete(workspace.messages[0].ts)
    anew = await tell(bot, last, gone)
    # The plain form edits nothing, and is sent as a reply. Slack makes a message of its own of every reply to nothing.
    assert ("thread_ts" in posts(workspace.calls)[-1]) == (last is PLAIN)
    assert anew.thread == f"#ops/C0OPS/{workspace.messages[-1].ts}"
    assert workspace.view("ops") == [last.text]
    await tell(bot, RESOLVED, anew.thread)
    assert workspace.view("ops") == ["[RESOLVED] a, b, c"]


async def test_what_is_deleted_between_the_edit_and_the_reply_ends_its_thread(
    workspace: Workspace, bot: SlackBotChannel
) -> None:
    thread = await begun(bot)
    workspace.fail_next("chat.update", Failing(body='{"ok": true}'))
    workspace.delete(workspace.messages[0].ts)
    assert (await tell(bot, MORE, thread)).thread == f"#ops/C0OPS/{workspace.messages[-1].ts}"


async def test_when_the_edit_window_has_closed_the_news_is_posted_anew(
    workspace: Workspace, bot: SlackBotChannel, clock: list[float]
) -> None:
    workspace.edit_window = 300
    thread = await begun(bot)
    clock[0] = 300.0
    await tell(bot, MORE, thread)
    clock[0] = 301.0
    anew = await tell(bot, RESOLVED, thread)
    assert workspace.view("ops") == ["[FIRING:3] a, b, c", "↳ [FIRING:2] b, c", "[RESOLVED] a"]
    assert anew.thread == f"#ops/C0OPS/{workspace.messages[-1].ts}"


async def test_a_message_of_somebody_else_is_left_alone(workspace: Workspace, bot: SlackBotChannel) -> None:
    theirs = workspace.say("ops", "lunch?")
    await tell(bot, MORE, f"#ops/C0OPS/{theirs.ts}")
    assert workspace.view("ops") == ["lunch?", "[FIRING:2] b, c"]


@pytest.mark.parametrize("word", [*sorted(UNEDITABLE), "of_next_year"])
async def test_whatever_keeps_the_first_message_from_being_edited_people_are_told(
    workspace: Workspace, bot: SlackBotChannel, word: str
) -> None:
    thread = await begun(bot)
    workspace.fail_next("chat.update", Failing(word))
    assert (await tell(bot, MORE, thread)).thread == f"#ops/C0OPS/{workspace.messages[-1].ts}"
    assert workspace.view("ops") == ["[FIRING:1] a", "[FIRING:2] b, c"]


@pytest.mark.parametrize("word", sorted(UNANSWERABLE))
async def test_what_takes_no_reply_is_followed_by_a_message_of_its_own(
    workspace: Workspace, bot: SlackBotChannel, word: str
) -> None:
    thread = await begun(bot)
    workspace.fail_next("chat.postMessage", Failing(word))
    assert (await tell(bot, MORE, thread)).thread == f"#ops/C0OPS/{workspace.messages[-1].ts}"
    assert workspace.view("ops") == ["[FIRING:3] a, b, c", "[FIRING:2] b, c"]


async def test_a_thread_that_was_locked_is_left(workspace: Workspace, bot: SlackBotChannel) -> None:
    thread = await begun(bot)
    workspace.messages[0].locked = True
    await tell(bot, RESOLVED, thread)
    assert workspace.view("ops") == ["[RESOLVED] a, b, c", "[RESOLVED] a"]


@pytest.mark.parametrize(
    "thread",
    [
        "0123456789abcdef0123456789abcdef",
        "#dev/C0OPS/1.1",
        "ops/C0OPS/1.1",
        "#ops/C0OPS/1",
        "#ops/C0OPS/1.1\n",
        "#ops/C0OPS/١.١",
        "#ops/c0ops/1.1",
        "#ops//1.1",
        "#ops/C0OPS/1.1/2",
        "#ops/C0OPS/" + "1" * 30 + ".1",
        "",
        None,
    ],
)
def test_what_is_no_thread_of_this_slack_channel_is_none(workspace: Workspace, thread: str | None) -> None:
    payload = bot_of(workspace).build(MORE, "01A", 0, thread)
    assert set(json.loads(payload)) == {"news"}


async def test_after_a_move_to_another_slack_channel_the_thread_begins_there(workspace: Workspace) -> None:
    before, after = bot_of(workspace), bot_of(workspace, "C0DEV")
    thread = await begun(before)
    receipt = await tell(after, RESOLVED, thread)
    assert receipt.thread == f"C0DEV/C0DEV/{workspace.messages[-1].ts}"
    assert (workspace.view("ops"), workspace.view("dev")) == (["[FIRING:1] a"], ["[RESOLVED] a"])
    await before.close()
    await after.close()


# What may have arrived, and what surely has not.


@pytest.mark.parametrize("how", [Failing(drop=True, after=True), Failing("fatal_error", after=True)])
async def test_after_a_lost_answer_the_same_bytes_make_at_worst_the_same_reply_again(
    workspace: Workspace, bot: SlackBotChannel, how: Failing
) -> None:
    payload = bot.build(MORE, "01A", 0, await begun(bot))
    workspace.fail_next("chat.postMessage", how)
    with pytest.raises(DeliveryError) as caught:
        await bot.send(payload, ())
    assert caught.value.failure.may_be_taken
    await bot.send(payload, ())
    assert workspace.view("ops") == ["[FIRING:3] a, b, c", "↳ [FIRING:2] b, c", "↳ [FIRING:2] b, c"]
    first, second = posts(workspace.calls[1:])
    assert first == second


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Failing(hang=True), Failure(TRANSIENT, "timeout")),
        (Failing(hang=True, after=True), Failure(TRANSIENT, "timeout")),
        (Failing(drop=True), Failure(TRANSIENT, "connection_lost")),
        (Failing(status=502), Failure(TRANSIENT, "http_error", 502)),
        (Failing("internal_error"), Failure(TRANSIENT, "fatal_error")),
        (Failing("update_failed"), Failure(TRANSIENT, "update_failed")),
        (Failing("external_channel_migrating"), Failure(TRANSIENT, "external_channel_migrating")),
        (
            Failing("ratelimited", 429, headers={"Retry-After": "30"}),
            Failure(TRANSIENT, "rate_limited", 429, retry_after=30_000),
        ),
        (Failing("token_revoked"), Failure(MISCONFIGURED, "token_revoked")),
        (Failing(body="<html>log in</html>"), Failure(MISCONFIGURED, "unexpected_body", 200)),
        (Failing(status=404), Failure(MISCONFIGURED, "http_error", 404)),
        (Failing("of_next_year", 503), Failure(TRANSIENT, "http_error", 503)),
        (Failing("invalid_blocks"), Failure(REJECTED, "invalid_blocks")),
    ],
)
async def test_while_the_edit_fails_surely_nothing_is_posted(
    workspace: Workspace, how: Failing, expected: Failure
) -> None:
    bot, patient = bot_of(workspace, timeout=0.5 if how.hang else 5.0), bot_of(workspace)
    thread = await begun(patient)
    workspace.fail_next("chat.update", how)
    assert await failure(bot, MORE, thread) == expected
    assert len(posts(workspace.calls)) == 1
    await tell(patient, MORE, thread)
    await patient.close()
    assert workspace.view("ops") == ["[FIRING:3] a, b, c", "↳ [FIRING:2] b, c"]
    await bot.close()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Failing(hang=True, after=True), Failure(TRANSIENT, "timeout", may_be_taken=True)),
        (Failing(drop=True), Failure(TRANSIENT, "connection_lost", may_be_taken=True)),
        (Failing(status=500), Failure(TRANSIENT, "http_error", 500)),
        (Failing(status=502), Failure(TRANSIENT, "http_error", 502, may_be_taken=True)),
        (Failing(status=503, body='{"ok": true}'), Failure(TRANSIENT, "http_error", 503)),
        (Failing("internal_error", 500), Failure(TRANSIENT, "fatal_error", 500, may_be_taken=True)),
        (Failing("service_unavailable", 503), Failure(TRANSIENT, "service_unavailable", 503)),
        (Failing(status=429), Failure(TRANSIENT, "rate_limited", 429)),
        (Failing("is_archived", 404), Failure(MISCONFIGURED, "is_archived", 404)),
        (Failing("of_next_year"), Failure(REJECTED, "unknown_error")),
        (Failing("of_next_year", 403), Failure(MISCONFIGURED, "http_error", 403)),
        (Failing(status=302, headers={"Location": "/"}), Failure(MISCONFIGURED, "http_error", 302)),
        (Failing(body=""), Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (Failing(body="ok"), Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (Failing(body='{"ok": 1}'), Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (Failing(body='{"ok": false}'), Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (
            Failing(body='{"ok": false, "error": ["is_archived"]}'),
            Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True),
        ),
        (Failing(body='{"error": []}'), Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (Failing(body="[" * 2_000_000), Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
    ],
)
async def test_each_answer_to_a_post_is_judged(workspace: Workspace, how: Failing, expected: Failure) -> None:
    bot, patient = bot_of(workspace, timeout=0.5 if how.hang else 5.0), bot_of(workspace)
    workspace.fail_next("chat.postMessage", how)
    assert await failure(bot) == expected
    assert len(workspace.calls) == 1
    await tell(patient, FIRING)
    await patient.close()
    await bot.close()


@pytest.mark.parametrize("word", sorted({*WORDS, *SAME}))
async def test_every_documented_word_is_judged_by_itself(workspace: Workspace, bot: SlackBotChannel, word: str) -> None:
    workspace.fail_next("chat.postMessage", Failing(word))
    reason = SAME.get(word, word)
    assert await failure(bot) == Failure(WORDS[reason], reason, may_be_taken=reason in UNSURE)


async def test_slacks_own_noes(workspace: Workspace, bot: SlackBotChannel) -> None:
    place = workspace.place("ops")
    place.member = False
    assert await failure(bot) == Failure(MISCONFIGURED, "not_in_channel")
    place.archived = True
    assert await failure(bot) == Failure(MISCONFIGURED, "is_archived")
    workspace.places.remove(place)
    assert await failure(bot) == Failure(MISCONFIGURED, "channel_not_found")
    workspace.scopes.remove("chat:write")
    assert await failure(bot) == Failure(MISCONFIGURED, "missing_scope")
    workspace.revoked = True
    assert await failure(bot) == Failure(MISCONFIGURED, "token_revoked")


async def test_too_much_for_slack_is_rejected(workspace: Workspace, bot: SlackBotChannel) -> None:
    assert await failure(bot, replace(FIRING, blocks=BLOCKS * 51)) == Failure(REJECTED, "invalid_blocks")
    assert await failure(bot, replace(FIRING, text="", blocks=(), attachments=())) == Failure(REJECTED, "no_text")
    assert workspace.messages == []


async def test_more_than_the_tiers_allow_waits_as_asked(
    workspace: Workspace, bot: SlackBotChannel, clock: list[float]
) -> None:
    workspace.rate_limited = True
    thread = await begun(bot)
    assert await failure(bot) == Failure(TRANSIENT, "rate_limited", 429, retry_after=1000)
    for _ in range(50):
        clock[0] += 1
        await tell(bot, RESOLVED, thread)
    assert await failure(bot, MORE, thread) == Failure(TRANSIENT, "rate_limited", 429, retry_after=11_000)
    assert len(workspace.messages) == 51
    clock[0] += 11
    await tell(bot, MORE, thread)


async def test_an_answer_that_names_no_message_begins_no_thread(workspace: Workspace, bot: SlackBotChannel) -> None:
    for body in (
        '{"ok": true}',
        '{"ok": true, "channel": "../x", "ts": "1.1"}',
        '{"ok": true, "channel": "C", "ts": 1}',
    ):
        workspace.fail_next("chat.postMessage", Failing(body=body))
        assert await tell(bot, FIRING) == Receipt(200)


async def test_bytes_of_another_kind_of_channel_are_refused(workspace: Workspace, bot: SlackBotChannel) -> None:
    for payload in (b'{"text": "x", "blocks": []}', b"From: a@example.com\r\n\r\n\xff", b'"news"', b'{"news": 1}'):
        with pytest.raises(DeliveryError) as caught:
            await bot.send(payload, ())
        assert caught.value.failure == Failure(REJECTED, "foreign_payload")
    assert workspace.calls == []


# The token, and the way to Slack.


async def test_a_token_that_slack_does_not_know_and_one_that_is_none(workspace: Workspace) -> None:
    wrong = bot_of(workspace, token="xoxb-wrong")
    assert await failure(wrong) == Failure(MISCONFIGURED, "invalid_auth")
    assert len(workspace.calls) == 1
    await wrong.close()
    for token in ("xoxb-1\nxoxb-2", "xoxb 1", "xoxb-é"):
        malformed = bot_of(workspace, token=token)
        assert await failure(malformed) == Failure(MISCONFIGURED, "token_malformed")
        await malformed.close()
    assert len(workspace.calls) == 1


async def test_nobody_listening_surely_took_nothing(workspace: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        workspace.url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/"
        bot = bot_of(workspace)
        for thread in (None, "#ops/C0OPS/1.1"):
            assert await failure(bot, MORE, thread) == Failure(TRANSIENT, "connection_refused", unreachable=True)
        await bot.close()


async def test_the_token_is_in_no_log(
    workspace: Workspace, bot: SlackBotChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    workspace.fail_next("chat.postMessage", Failing(status=500))
    await failure(bot)
    await tell(bot, MORE, await begun(bot))
    assert "xoxb" not in caplog.text


# Looking without posting.


async def check_failure(bot: SlackBotChannel) -> Failure:
    async with asyncio.timeout(10):
        with pytest.raises(DeliveryError) as caught:
            await bot.check()
    return caught.value.failure


async def test_a_check_finds_a_bot_that_slack_knows_and_posts_nothing(
    workspace: Workspace, bot: SlackBotChannel
) -> None:
    await bot.check()
    workspace.scopes = []  # not told
    await bot.check()
    assert [method for method, _ in workspace.calls] == ["auth.test", "auth.test"]
    assert workspace.messages == []


async def test_a_check_tells_what_is_wrong_with_the_bot(workspace: Workspace, bot: SlackBotChannel) -> None:
    workspace.scopes = ["channels:read", "chat:write.public"]
    assert await check_failure(bot) == Failure(MISCONFIGURED, "missing_scope")
    workspace.revoked = True
    assert await check_failure(bot) == Failure(MISCONFIGURED, "token_revoked")
    workspace.fail_next("auth.test", Failing(status=503))
    assert await check_failure(bot) == Failure(TRANSIENT, "http_error", 503)
    workspace.fail_next("auth.test", Failing(body="<html>"))
    assert (await check_failure(bot)).reason == "unexpected_body"
    await workspace.stop()
    assert (await check_failure(bot)).unreachable
