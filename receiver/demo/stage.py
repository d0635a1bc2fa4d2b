"""The stage: the receiver as its users run it, and on loopback the Slack and the mail server that it sends to."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from receiver.app import Receiver, Settings, running
from receiver.config import durations, loading
from receiver.config.resolve import destinations, resolve
from receiver.config.types import Defaults
from receiver.demo.accounts import Snapshot, changes, snapshot
from receiver.demo.mail_server import MailServer
from receiver.demo.notifications import Body
from receiver.demo.screen import RED, Screen
from receiver.demo.slack_endpoint import SlackEndpoint

PATIENCE_SECONDS = 40.0
"""All the waits of the demo together are shorter: whoever waits longer has found a bug."""

_LOOK_EVERY = 0.05

CONFIGURATION = """\
storage: {{url: {store}}}
smtp: {{host: 127.0.0.1, port: {mail_port}, security: none}}
defaults:
  group_by: [alertname, cluster]
  group_wait: 2s        # built in: {defaults[group_wait]}
  group_interval: 4s    # built in: {defaults[group_interval]}
channels:
  - name: ops
    type: slack
    webhook_url: {slack_url}
  - name: oncall
    type: email
    from: Alerts <alerts@example.com>
    to: [oncall@example.com]
"""


class Broken(Exception):
    """The demo can't go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The receiver's answer to a notification, and how long it took in milliseconds."""

    status: int
    took: float


class Stage:
    """What the acts play on. ``posted`` counts the alerts in all notifications that were taken."""

    def __init__(
        self, screen: Screen, mail: MailServer, slack: SlackEndpoint, receiver: Receiver, client: aiohttp.ClientSession
    ) -> None:
        """Everything runs already; what goes out appears on the screen once ``watch`` does."""
        self.screen = screen
        self.mail = mail
        self.slack = slack
        self.receiver = receiver
        self.posted = 0
        self._client = client
        self._mails = self._messages = self._refusals = 0
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def post(self, body: Body) -> Answer:
        """Post a notification as Alertmanager does; raises Broken unless it is taken."""
        data = json.dumps(body).encode()
        began = time.perf_counter()
        url, headers = f"{self.receiver.url}/webhook", {"Content-Type": "application/json"}
        async with self._client.post(url, data=data, headers=headers) as response:
            word = await response.text()
        took = (time.perf_counter() - began) * 1000
        if response.status != 200:
            raise Broken(f"the receiver refused a notification: {response.status} {word.strip()}")
        self.posted += len(body["alerts"])
        return Answer(response.status, took)

    async def look(self) -> Snapshot:
        """What the store says now."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Snapshot:
        with self.receiver.store.read() as tx:
            return snapshot(tx)

    async def until(self, condition: Callable[[Snapshot], bool], what: str) -> Snapshot:
        """Wait until the store says so and the screen shows it all; raises Broken if that takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (condition(seen := await self.look()) and self._shows(seen)):
            if time.monotonic() > deadline:
                raise Broken(f"{what}: that should have happened within {PATIENCE_SECONDS:.0f} s and has not")
            await self.pause(_LOOK_EVERY)
        return seen

    async def settled(self) -> Snapshot:
        """Wait until nothing is pending."""
        return await self.until(lambda seen: not seen.pending, "everything pending is delivered")

    async def pause(self, seconds: float | None) -> None:
        """Let time pass (None: for ever); raises what breaks behind the stage meanwhile."""
        parts = {self._broken, self.receiver.ended}
        done, _ = await asyncio.wait(parts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()

    def _shows(self, seen: Snapshot) -> bool:
        there = (len(self.mail.mails), len(self.slack.messages), len(seen.refusals))
        return there == (self._mails, self._messages, self._refusals)

    async def watch(self) -> None:
        """Show what goes out, as long as this runs."""
        try:
            while True:
                self._show(await self.look())
                await asyncio.sleep(_LOOK_EVERY)
        except Exception as error:  # told where the acts wait
            self._broken.set_exception(error)
            self._broken.exception()  # seen, in case nobody waits any more

    def _show(self, seen: Snapshot) -> None:
        for refusal in seen.refusals[self._refusals :]:
            why = f"{refusal.code} ({refusal.reason})" if refusal.code else refusal.reason
            pending = seen.accounts[refusal.channel].pending
            self.screen.event("✗", f"{refusal.channel}: the attempt failed with {why}, {pending:,} pending", RED)
        for mail in self.mail.mails[self._mails :]:
            self.screen.mail(mail)
        for message in self.slack.messages[self._messages :]:
            self.screen.slack(message.payload)
        self._mails, self._messages = len(self.mail.mails), len(self.slack.messages)
        self._refusals = len(seen.refusals)

    async def narrate(self) -> None:
        """Show for ever what comes in from whoever posts, and what becomes of it."""
        before = await self.look()
        while True:
            await self.pause(_LOOK_EVERY)
            after = await self.look()
            accepted = {name: one.accepted - before.accounts[name].accepted for name, one in after.accounts.items()}
            if any(accepted.values()):
                counts = ", ".join(f"{n:,} for {name}" for name, n in accepted.items())
                self.screen.event("→", f"alerts accepted: {counts}")
                self.screen.event("=", changes(before, after))
            before = after


@asynccontextmanager
async def staged(screen: Screen, announce: Callable[[str], None]) -> AsyncIterator[Stage]:
    """Everything running, its configuration announced; afterwards nothing of it is left."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alert-receiver-demo-")))
        mail, slack = MailServer(), SlackEndpoint(rate_limited=True)
        for server in (mail, slack):
            stack.push_async_callback(server.stop)
            await server.start()
        announce(_write_configuration(folder, mail, slack))
        config = loading.load(folder / "alert-receiver.yml", os.environ).config
        settings = Settings(config.storage.url, resolve(config), destinations(config), port=0)
        receiver = await stack.enter_async_context(running(settings, sys.stdout))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        stage = Stage(screen, mail, slack, receiver, client)
        watch = asyncio.create_task(stage.watch(), name="watch the sinks")
        try:
            yield stage
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


def _write_configuration(folder: Path, mail: MailServer, slack: SlackEndpoint) -> str:
    built_in = Defaults()
    written = {name: durations.written(getattr(built_in, name)) for name in ("group_wait", "group_interval")}
    text = CONFIGURATION.format(
        store=json.dumps(f"sqlite:///{folder}/books.db"), mail_port=mail.port, slack_url=slack.url, defaults=written
    )
    (folder / "alert-receiver.yml").write_text(text, encoding="utf-8")
    return text
