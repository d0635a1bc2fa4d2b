"""A receiver that is given credentials and bad days, and everything it says from beginning to end."""

import asyncio
import re
import resource
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from aiohttp import ClientConnectionError

from tests.canaries import sabotaged
from tests.canaries.canary import Canaries, leaks
from tests.canaries.providers import EchoingBot, EchoingMailServer, EchoingSlack, Provider
from tests.end_to_end.notifications import alert, notification
from tests.end_to_end.processes import PATIENCE, UNTHROTTLED, Answer, Finished, Program, ReceiverProcess, command, until

MAIL = {"type": "email", "to": ["oncall@example.com"], "from": "alerts@example.com"}


class House:
    """The program with one channel for each provider, and what it has answered so far."""

    def __init__(
        self,
        folder: Path,
        canaries: Canaries,
        mail: Sequence[EchoingMailServer],
        slack: Sequence[EchoingSlack],
        flags: Sequence[str],
        sabotage: Sequence[str],
    ) -> None:
        """Credentials go to files in the folder; the providers listen already. ``sabotage`` is what is to be broken."""
        self.folder = folder
        self.canaries = canaries
        self.mail = mail
        self.slack = slack
        self.answers: dict[str, bytes] = {}
        self._authorization = {"Authorization": f"Bearer {canaries.token.value}"}
        canaries.keep(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.program = ReceiverProcess(folder, self.configuration(), (*flags, f"--web.listen-address={self.address}"))
        if sabotage:
            serve = self.program.arguments[3:]
            self.program.arguments = (sys.executable, str(sabotaged.__file__), *sabotage, "--", *serve)

    async def start(self) -> None:
        """Not the receiver's own way to start: at the higher levels it does not say that it listens."""
        await Program.start(self.program)
        self.program.url = f"http://{self.address}"
        await until(self._ready, "it listens")

    async def run(self, *arguments: str) -> Finished:
        """Another of the program's commands, to its end; what it says is kept."""
        finished = await command(*arguments, cwd=self.folder)
        self.answers[f"{arguments[0]}, stdout"] = finished.stdout.encode()
        self.answers[f"{arguments[0]}, stderr"] = finished.stderr.encode()
        return finished

    async def _ready(self) -> bool:
        with suppress(ClientConnectionError):
            return (await self.program.request("GET", "/-/healthy")).status == 200
        assert self.program.running, "".join(self.program.stderr)
        return False

    def configuration(self) -> dict[str, object]:
        """Every channel takes everything at once."""
        mail = [
            {"name": f"mail{n}", "host": "127.0.0.1", "port": server.port, **MAIL} for n, server in enumerate(self.mail)
        ]
        slack = [
            {"name": f"chat{n}", "type": "slack", **server.keys(self.folder)} for n, server in enumerate(self.slack)
        ]
        spare = {"name": "spare", "matchers": ['team="nobody"'], "host": "127.0.0.1", "password_file": "digits", **MAIL}
        return {
            "smtp": {"security": "none", "timeout": "5s", "username": "alerts", "password_file": "password"},
            "defaults": {"group_wait": "20ms", "group_interval": "50ms", "throttle": UNTHROTTLED},
            "auth": {"tokens": [{"name": "all", "scopes": ["webhook", "admin"], "token_file": "token"}]},
            "channels": [*mail, *slack, spare],
        }

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Any request, with a good token if nothing else is said; its answer is kept."""
        answer = await self.program.request(method, path, body, self._authorization | headers)
        told = f"{answer.status} {answer.headers} {answer.text}".encode()
        self.answers[f"answer {len(self.answers)} to {method} {path[:20]}"] = told
        return answer

    async def tell(self, name: str) -> Answer:
        """An alert that goes to every channel."""
        return await self.ask("POST", "/webhook", self.notification(name), **{"Content-Type": "application/json"})

    def notification(self, name: str) -> bytes:
        """An alert that says the canary of labels, and one that can't be read as sent."""
        label = self.canaries.label.value
        odd = alert(name, team="odd") | {"annotations": {label: label, "summary": [label]}, "startsAt": label}
        return notification(alert(name, team=label), odd)

    async def everybody_tried(self) -> None:
        """Every provider that is on its bad day has shown it, and every attempt that can end has ended."""
        waiting = {f"mail{n}" for n, server in enumerate(self.mail) if server.way != "hang"}
        waiting |= {f"chat{n}" for n, server in enumerate(self.slack) if server.way != "hang"}

        async def probe() -> bool:
            scraped = (await self.program.request("GET", "/metrics", headers=self._authorization)).text
            tried = set(re.findall(r'delivery_attempts_total\{channel="(\w+)",result="\w+"\} [1-9]', scraped))
            return tried >= waiting

        await until(probe, "every channel has tried")
        for server in (*self.mail, *self.slack):
            if server.way:
                async with asyncio.timeout(PATIENCE):
                    await server.reached.wait()

    def fill_the_disk(self) -> None:
        """No file grows any more, as on a full disk."""
        resource.prlimit(self.program.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        """There is room again."""
        resource.prlimit(self.program.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def places(self) -> dict[str, bytes]:
        """All that the program has told, but for what its providers heard."""
        told = {
            "stdout": "".join(self.program.stdout).encode(),
            "stderr": "".join(self.program.stderr).encode(),
        }
        for path in self.folder.glob("alert-receiver.db*"):
            told[path.name] = path.read_bytes()
        return told | self.answers

    def leaks(self) -> list[str]:
        """Every place that tells a credential; a provider's own conversation is the place of its own."""
        places = self.places()
        found = leaks(places, self.canaries.all)
        silent = {name: text for name, text in places.items() if name == "stderr" or "answer" in name}
        found += leaks({name: text for name, text in silent.items() if "messages" not in name}, (self.canaries.label,))
        for server in (*self.mail, *self.slack):
            name = f"{type(server).__name__} ({server.way})"
            found += leaks({name: bytes(server.heard)}, self.canaries.all)
            others = tuple(canary for canary in self.canaries.all if canary is not server.own)
            found += leaks({f"{name}, where its own credential belongs": bytes(server.heard_secret)}, others)
        return found


@asynccontextmanager
async def house(
    folder: Path,
    canaries: Canaries,
    *flags: str,
    mail: Sequence[tuple[str, str]] = (),
    slack: Sequence[str] = (),
    sabotage: Sequence[str] = (),
    started: bool = True,
) -> AsyncIterator[House]:
    """A house with providers that fail at these stages in these ways, open until the end of the context."""
    elsewhere = EchoingSlack(canaries.webhook)
    mail_servers = [EchoingMailServer(canaries.password, stage=stage, way=way) for stage, way in mail]
    slack_servers = [EchoingSlack(canaries.webhook, way=way) for way in slack]
    slack_servers += [EchoingBot(canaries.bot, way=way) for way in slack]
    servers: list[Provider] = [elsewhere, *mail_servers, *slack_servers]
    async with AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.callback(server.stop)
        for one in slack_servers:
            one.elsewhere = elsewhere.port
        built = House(folder, canaries, mail_servers, slack_servers, flags, sabotage)
        stack.push_async_callback(built.program.close)
        if started:
            await built.start()
        yield built
        assert elsewhere.conversations == 0, "a redirect was followed"
