"""A group as one Slack message and its thread: the real program against a workspace that keeps state as Slack does."""

import re
from collections.abc import AsyncIterator

import pytest
import yaml

from tests.end_to_end.notifications import Body, alert, notification
from tests.end_to_end.processes import UNTHROTTLED, ReceiverProcess, Start
from tests.slack_workspace import TOKEN, Failing, Workspace

_TAG = re.compile(r"(?:↳ )?\[[^]]*\]")


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """A running workspace."""
    running = Workspace()
    await running.start()
    yield running
    await running.stop()


def configuration(workspace: Workspace, channel: str = "#ops") -> dict[str, object]:
    """A bot that tells everything at once."""
    bot = {
        "name": "chat",
        "type": "slack",
        "bot_token_env": "BOT_TOKEN",
        "channel": channel,
        "api_url": workspace.url,
    }
    return {
        "defaults": {"group_wait": "50ms", "group_interval": "100ms", "throttle": UNTHROTTLED},
        "channels": [bot],
    }


async def begin(start: Start, workspace: Workspace) -> ReceiverProcess:
    """The receiver, with the bot's token."""
    return await start(configuration(workspace), env={"BOT_TOKEN": TOKEN})


def disk(id_: str) -> Body:
    """An alert of the one group."""
    return alert("Disk", id=id_)


def over(firing: Body) -> Body:
    """The same alert, resolved."""
    return firing | {"status": "resolved", "endsAt": "2099-01-01T00:00:00Z"}


def tags(texts: list[str]) -> list[str]:
    """The state in each message's first words."""
    return [match[0] for text in texts if (match := _TAG.match(text))]


class Story:
    """What is posted to a receiver, and how many alerts it has told so far."""

    def __init__(self, receiver: ReceiverProcess) -> None:
        """Nothing yet."""
        self.receiver = receiver
        self.told = 0

    async def tell(self, *alerts: Body) -> None:
        """Post these, all of them news, and wait until they were told."""
        self.told += len(alerts)
        assert (await self.receiver.post(notification(*alerts))).status == 200
        await self.receiver.settled("chat", delivered=self.told)


async def test_a_group_is_one_message_and_its_thread_across_restarts(start: Start, workspace: Workspace) -> None:
    receiver = await begin(start, workspace)
    story, a, b, c = Story(receiver), disk("a"), disk("b"), disk("c")
    await story.tell(a)
    assert tags(workspace.view("ops")) == ["[FIRING:1]"]
    await story.tell(b)
    assert tags(workspace.view("ops")) == ["[FIRING:2]", "↳ [FIRING:1]"]

    await receiver.kill()
    await receiver.restart()
    await story.tell(c)
    assert tags(workspace.view("ops")) == ["[FIRING:3]", "↳ [FIRING:1]", "↳ [FIRING:1]"]
    await story.tell(over(a))
    await story.tell(over(b), over(c))
    assert tags(workspace.view("ops")) == ["[RESOLVED]", "↳ [FIRING:1]", "↳ [FIRING:1]"]
    [root] = workspace.roots("ops")
    replies = ["[FIRING:1]", "[FIRING:1]", "[RESOLVED:1, STILL FIRING:2]", "[RESOLVED:2]"]
    assert tags(workspace.thread(root.ts)) == ["[RESOLVED]", *replies]

    await story.tell(disk("d"))
    assert tags(workspace.view("ops")) == ["[RESOLVED]", "↳ [FIRING:1]", "↳ [FIRING:1]", "[FIRING:1]"]
    assert await receiver.terminate() == 0
    for said in ("".join(receiver.stderr), "".join(receiver.stdout)):
        assert "xoxb" not in said
    assert b"xoxb" not in receiver.store.read_bytes()


async def test_people_are_told_when_the_thread_is_gone_and_the_next_one_goes_on(
    start: Start, workspace: Workspace
) -> None:
    story, a, b = Story(await begin(start, workspace)), disk("a"), disk("b")
    await story.tell(a)
    [first] = workspace.roots("ops")
    workspace.delete(first.ts)
    await story.tell(b)
    assert tags(workspace.view("ops")) == ["[FIRING:1]"]
    await story.tell(over(b))
    _, second = workspace.roots("ops")
    assert tags(workspace.thread(second.ts)) == ["[FIRING:1]", "[RESOLVED:1, STILL FIRING:1]"]

    assert await story.receiver.terminate() == 0
    path = story.receiver.cwd / "alert-receiver.yml"
    path.write_text(yaml.safe_dump(configuration(workspace, "#dev")))
    await story.receiver.restart()
    await story.tell(disk("c"))
    await story.tell(disk("d"))
    assert len(workspace.roots("ops")) == 2
    assert tags(workspace.view("dev")) == ["[FIRING:3]", "↳ [FIRING:1]"]


async def test_what_slack_does_not_answer_is_told_once_or_in_identical_copies(
    start: Start, workspace: Workspace
) -> None:
    story = Story(await begin(start, workspace))
    await story.tell(disk("a"))
    workspace.fail_next("chat.update", Failing("ratelimited", 429, headers={"Retry-After": "1"}))
    await story.tell(disk("b"))
    assert tags(workspace.view("ops")) == ["[FIRING:2]", "↳ [FIRING:1]"]

    workspace.fail_next("chat.postMessage", Failing("internal_error", after=True))
    await story.tell(disk("c"))
    assert tags(workspace.view("ops")) == ["[FIRING:3]", "↳ [FIRING:1]", "↳ [FIRING:1]", "↳ [FIRING:1]"]
    assert workspace.messages[-1].content == workspace.messages[-2].content
    assert workspace.messages[-1].content != workspace.messages[-3].content
