"""A channel that another package brings, from its installation to the message; and what it gets wrong stays its own."""

import asyncio
import io
import json
import os
import re
import signal
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from receiver.app import Settings, running
from receiver.brought import Defect, Guarded
from receiver.channels.base import DeliveryError, Receipt, Refusal, misconfigured, rejected, transient
from receiver.config import kinds, loading
from receiver.config.resolve import destinations, resolve
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass
from tests.end_to_end.notifications import alert, notification
from tests.end_to_end.processes import PATIENCE, UNTHROTTLED, Finished, ReceiverProcess, command, until
from tests.extension import PUBLISHED, install

KEY = "the-key-of-the-teapot"
FILE = "alert-receiver.yml"
CONTRIBUTING = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


Wild = Callable[[str, str, str], None]
Serve = Callable[[Mapping[str, object]], Awaitable[ReceiverProcess]]


class Acme:
    """Acme's API: it takes pages from who has the key, unless told to answer otherwise."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.pages: list[dict[str, str]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/pages", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/pages"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.Response(status=401)
        if self.status is None and request.method == "POST":
            self.pages.append(json.loads(await request.read()))
        return web.Response(status=self.status or 202)


@pytest.fixture
async def acme() -> AsyncIterator[Acme]:
    service = Acme()
    await service.start()
    yield service
    await service.stop()


def configured(url: str, **more: object) -> dict[str, Any]:
    """A pager that is told at once, and whose key is in a file; and a console."""
    pager = {"name": "oncall", "type": "pager", "service": "shop", "api_key_file": "key", "url": url} | more
    return {
        "defaults": {"group_wait": "50ms", "group_interval": "100ms", "throttle": UNTHROTTLED},
        "channels": [pager, {"name": "shell", "type": "console"}],
    }


def write(folder: Path, config: Mapping[str, object], file: str = FILE) -> None:
    (folder / "key").write_text(KEY)
    (folder / file).write_text(yaml.safe_dump(config))


def beside(*packages: Path) -> dict[str, str]:
    """The environment in which these are installed."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (*map(str, packages), os.environ.get("PYTHONPATH"))))}


async def alert_receiver(folder: Path, *arguments: str, packages: Sequence[Path] = (PUBLISHED,)) -> Finished:
    return await command(*arguments, cwd=folder, env=beside(*packages))


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    started: list[ReceiverProcess] = []

    async def start(config: Mapping[str, object]) -> ReceiverProcess:
        write(tmp_path, config)
        receiver = ReceiverProcess(tmp_path, config, env=beside(PUBLISHED))
        started.append(receiver)
        await receiver.start()
        return receiver

    yield start
    for receiver in started:
        await receiver.close()


def test_the_documented_example_is_the_one_under_test() -> None:
    code = (PUBLISHED / "acme_pager.py").read_text()
    assert f"```python\n{code}```" in CONTRIBUTING
    project = tomllib.loads(CONTRIBUTING.partition("```toml\n")[2].partition("```")[0])["project"]
    found = Distribution.at(PUBLISHED / "acme_pager-1.0.dist-info")
    assert (found.name, found.version) == (project["name"], project["version"])
    entries = {group: {entry.name: entry.value for entry in found.entry_points} for group in found.entry_points.groups}
    assert entries == project["entry-points"]


async def test_from_the_webhook_to_the_page(acme: Acme, serve: Serve, tmp_path: Path) -> None:
    receiver = await serve(configured(acme.url))
    assert (await receiver.post(notification(alert("TeapotEmpty")))).status == 200
    assert (await receiver.settled("oncall", delivered=1))["accepted"] == 1
    await receiver.settled("shell", delivered=1)
    [page] = acme.pages
    assert page["service"] == "shop"
    assert "TeapotEmpty" in page["title"]
    assert "TeapotEmpty" in page["text"]

    # Its failures have names in the metrics and in the log, and its credential does not show.
    assert (await receiver.metrics())['delivery_failures_total{channel="oncall",reason="unwell"}'] == 0
    acme.status = 503
    await receiver.post(notification(alert("KettleEmpty")))
    await receiver.wait_until(
        lambda: next((line for line in receiver.stderr if "reason=unwell" in line and "code=503" in line), None), "503"
    )
    assert (await receiver.metrics())['delivery_failures_total{channel="oncall",reason="unwell"}'] > 0
    acme.status = None

    # Another key of its own is another destination; another of everybody's is not.
    write(tmp_path, configured(acme.url, service="till"))
    receiver.signal(signal.SIGHUP)
    await receiver.settled("oncall", delivered=2)
    assert "KettleEmpty" in acme.pages[-1]["title"]
    assert acme.pages[-1]["service"] == "till"
    assert await receiver.terminate() == 0
    assert KEY not in "\n".join((*receiver.stdout, *receiver.stderr))
    assert KEY.encode() not in receiver.store.read_bytes()


async def test_check_config_lists_and_tries_it_and_reports_what_is_wrong_with_it(acme: Acme, tmp_path: Path) -> None:
    install(tmp_path, "acme-horn", "horn = acme_horn:kind", f"raise RuntimeError({KEY!r})")
    wrongs = {"sound": {}, "unsound": {"servize": "shop"}, "broken": {"type": "horn"}}
    for name, wrong in wrongs.items():
        write(tmp_path, configured(acme.url, **wrong), file=f"{name}.yml")
    files = [f"{name}.yml" for name in wrongs]
    done = await alert_receiver(tmp_path, "check-config", "--deep", *files, packages=[PUBLISHED, tmp_path])
    assert (done.code, done.stderr) == (1, "")
    sound, unsound, broken = done.stdout.split("Checking ")[1:]
    assert "    oncall (pager)\n" in sound
    assert "    oncall (pager): its own check found nothing wrong\n" in sound
    assert sound.endswith("SUCCESS: all of it works\n")
    assert 'channels[0].servize: unknown key; did you mean "service"?' in unsound
    why = "the package acme-horn that brings this type can't be used: RuntimeError"
    assert f'channels[0].type: {why}; python -c "import acme_horn" says more' in broken
    assert KEY not in done.stdout


async def test_the_schema_that_is_printed_has_it(tmp_path: Path) -> None:
    schema = json.loads((await alert_receiver(tmp_path, "schema")).stdout)
    mapping = schema["properties"]["channels"]["items"]["discriminator"]["mapping"]
    assert mapping["pager"] == "#/$defs/pager.PagerConfig"


async def test_it_is_simulated_without_its_secret_and_without_a_page(acme: Acme, tmp_path: Path) -> None:
    write(tmp_path, configured(acme.url))
    (tmp_path / "key").unlink()
    event = {"at": "2026-11-21T03:00:00Z", "notification": json.loads(notification(alert("TeapotEmpty")))}
    (tmp_path / "events").write_text(f"{json.dumps(event)}\n")
    done = await alert_receiver(tmp_path, "simulate", "--config.file", FILE, "events")
    assert (done.code, done.stderr) == (0, "")
    assert "oncall" in done.stdout
    assert acme.pages == []


async def test_a_test_message_says_what_came_of_it_in_its_words(acme: Acme, tmp_path: Path) -> None:
    config = configured(acme.url)
    stranger = {key: value for key, value in config["channels"][0].items() if key != "api_key_file"}
    config["channels"] = [config["channels"][0], stranger | {"name": "stranger", "api_key": "a-stranger's"}]
    write(tmp_path, config)
    done = await alert_receiver(tmp_path, "send-test", "--config.file", FILE)
    assert (done.code, done.stderr) == (1, "")
    told = 'FAILED: Acme does not know the API key (code 401); check "api_key" (or its _file or _env)'
    assert done.stdout.splitlines()[1:] == [
        "  oncall (pager)",
        "    the provider took the message (code 202)",
        "  stranger (pager)",
        f"    {told}",
        "FAILED: 1 of 2 channels",
    ]
    assert len(acme.pages) == 1


# What a method of a package's channel may do wrong.
WRONGS = {
    "raises": "raise RuntimeError('the-secret-teapot')",
    "exits": "raise SystemExit(3)",
    "cancels": "raise asyncio.CancelledError",
    "returns": "return object()",
}
UNRULY = """\
import asyncio
from receiver.extension import ChannelConfig, ChannelKind, Receipt, Rendered, transient

class Config(ChannelConfig, kw_only=True, frozen=True, tag={tag!r}):
    "Whatever may go wrong."

class Sound:
    reasons = recipients = ()

    def __init__(self, config):
        self.name = "not as configured"

    def build(self, rendered, uid, at, thread=None):
        return rendered.text.encode()

    async def send(self, payload, recipients):
        return Receipt(200)

    async def check(self):
        return None

    async def close(self):
        return None

    @staticmethod
    def render(content):
        return Rendered("subject", "text")

class Unruly(Sound):
    {method}
        {wrong}

kind = ChannelKind(config=Config, channel=Unruly, failures={{}}, render=Unruly.render)
"""
OUT_OF_REACH = """\
async def send(self, payload, recipients):
        raise transient("internal_error", unreachable=True)

    async def check(self):"""
METHODS = {
    "def __init__(self, config):": "no channel could be made",
    "@property\n    def recipients(self):": "no channel could be made",
    "def build(self, rendered, uid, at, thread=None):": "no message could be built, its alerts stay pending",
    "async def send(self, payload, recipients):": "sending broke",
    # Only who is out of reach is looked at with check().
    OUT_OF_REACH: "checking broke",
    "async def close(self):": "closing a channel broke",
    "@staticmethod\n    def render(content):": "rendering failed, sending the plainest form",
}
# What these two return, nobody looks at.
INNOCENT = {OUT_OF_REACH: "the provider answers again", "async def close(self):": "message sent"}


@pytest.fixture
def wild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wild]:
    """Brings a type of channel whose method, its first line given, has this body."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("receiver.dispatch.SHORTEST_LOOK", 10)
    forget()

    def wild(tag: str, method: str, wrong: str) -> None:
        module = f"{tag}_{abs(hash(method))}"
        install(tmp_path, tag, f"{tag} = {module}:kind", UNRULY.format(tag=tag, method=method, wrong=wrong))

    yield wild
    forget()


def forget() -> None:
    """What is installed for one test is not there for another."""
    for cached in (kinds.find, kinds._entries):
        cached.cache_clear()


async def lived_through(folder: Path, types: Iterable[str], complete: Callable[[], bool]) -> None:
    """Run a receiver with these types and a console, until all is seen that is to be seen, and the console tells."""
    channels = [{"name": kind, "type": kind} for kind in types] + [{"name": "shell", "type": "console"}]
    write(folder, configured("") | {"storage": {"url": f"sqlite:///{folder / 'books.db'}"}, "channels": channels})
    config = loading.load(folder / FILE, {}).config
    settings = Settings(config.storage.url, resolve(config), destinations(config), port=0)
    stdout = io.StringIO()
    async with running(settings, stdout) as receiver, aiohttp.ClientSession() as session:

        async def told(name: str) -> bool:
            return name in stdout.getvalue() and complete()

        for name in ("TeapotEmpty", "KettleEmpty"):
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{receiver.url}/webhook", data=notification(alert(name)), headers=headers) as got:
                assert got.status == 200
            await until(partial(told, name), f"{name} is told, and all is seen")
        assert not receiver.ended.done()
        alive = {task.get_name() for task in asyncio.all_tasks()}
        assert {f"dispatch {channel['name']}" for channel in channels} <= alive


@pytest.mark.parametrize("method", METHODS)
async def test_what_a_channel_does_wrong_harms_no_other(
    tmp_path: Path, wild: Wild, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for name, wrong in WRONGS.items():
        wild(name, method, wrong)
    wanted = {(name, METHODS[method]) for name in WRONGS}
    if method in INNOCENT:
        wanted = wanted - {("returns", METHODS[method])} | {("returns", INNOCENT[method])}

    def seen() -> set[tuple[str, str]]:
        return {(getattr(record, "channel", ""), record.getMessage()) for record in caplog.records}

    at_the_end = method == "async def close(self):"
    await lived_through(tmp_path, WRONGS, lambda: at_the_end or wanted <= seen())
    assert wanted <= seen()
    assert "the-secret-teapot" not in caplog.text
    modules = [getattr(one, "at", "") for one in caplog.records if getattr(one, "error", "") == "RuntimeError"]
    assert all(re.fullmatch(r"raises_\d+\.py:\d+", at) for at in modules)
    assert modules


async def test_a_subject_that_no_database_takes_is_mended(
    tmp_path: Path, wild: Wild, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    wild("torn", "@staticmethod\n    def render(content):", "return Rendered('a\\ud800b', 'text')")
    await lived_through(
        tmp_path,
        ["torn"],
        lambda: any(
            getattr(record, "channel", "") == "torn" and record.getMessage() == "message sent"
            for record in caplog.records
        ),
    )


class Saying:
    """A channel that answers what it is told to."""

    name = "ops"
    reasons = ("full",)
    recipients: Sequence[str] = ("ann",)

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        return b""

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        if isinstance(self.answer, BaseException):
            raise self.answer
        answer: Receipt = self.answer
        return answer

    async def check(self) -> None:
        await self.send(b"", ())

    async def close(self) -> None:
        pass


RECEIPT = Receipt(200, (Refusal("ann", 550, True),), "thread")


@pytest.mark.parametrize(
    ("answer", "heeded"),
    [
        (RECEIPT, RECEIPT),
        (Receipt(), Receipt()),
        # What no store can keep.
        (Receipt(thread="a\ud800"), Receipt()),
        (Receipt(thread="a" * 501), Receipt()),
        (Receipt(2**63, (Refusal("ann", -(2**63), True),)), Receipt(None, (Refusal("ann", 0, True),))),
    ],
)
async def test_a_receipt_is_taken_as_far_as_the_store_can_keep_it(answer: Receipt, heeded: Receipt) -> None:
    assert await Guarded("ops", Saying(answer), ("full",)).send(b"", ()) == heeded


@pytest.mark.parametrize(
    ("failure", "heeded"),
    [
        (transient("full", 503, may_be_taken=True, unreachable=True), None),
        (misconfigured("full", 401), None),
        (rejected("full"), None),
        (DeliveryError(Failure(FailureClass.TRANSIENT, "full", retry_after=9)), None),
        (rejected("the key is teapot", 400), rejected("internal_error", 400)),
        (rejected("full", 2**63), rejected("full")),
        (rejected("full", -1), rejected("full")),
    ],
)
async def test_a_failure_is_judged_as_its_package_judges_it_but_for_a_reason_of_no_list(
    failure: DeliveryError, heeded: DeliveryError | None
) -> None:
    guarded = Guarded("ops", Saying(failure), ("full",))
    for asking in (guarded.send(b"", ()), guarded.check()):
        with pytest.raises(DeliveryError) as caught:
            await asking
        assert caught.value.failure == (heeded or failure).failure
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("quota_2", "quota_2"),
        ("a" * 60, "a" * 60),
        ("a" * 61, "malformed"),
        ("the key is teapot", "malformed"),
        ("full\n", "malformed"),
        ("", "malformed"),
    ],
)
async def test_a_reason_that_its_package_has_not_named_is_logged_where_it_looks_like_one(
    caplog: pytest.LogCaptureFixture, reason: str, told: str
) -> None:
    with pytest.raises(DeliveryError):
        await Guarded("ops", Saying(rejected(reason)), ("full",)).check()
    [record] = caplog.records
    assert record.getMessage() == "a failure has a reason that its package has not named"
    assert (vars(record)["channel"], vars(record)["reason"]) == ("ops", told)


async def test_a_channel_that_does_not_close_is_let_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Clinging(Saying):
        async def close(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("receiver.brought.CLOSING", 0)
    async with asyncio.timeout(PATIENCE):
        await Guarded("ops", Clinging(None), ()).close()
    [record] = caplog.records
    assert (record.getMessage(), vars(record)["error"]) == ("closing a channel broke", "TimeoutError")


@pytest.mark.parametrize(
    "answer",
    [None, Receipt("200"), DeliveryError(Failure(FailureClass.TRANSIENT, "full", "503")), SystemExit(3)],  # type: ignore[arg-type]
)
async def test_what_is_no_answer_is_a_defect(answer: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, the dispatcher takes it for a defect
        await Guarded("ops", Saying(answer), ("full",)).send(b"", ())
    assert not isinstance(caught.value, DeliveryError)


async def test_who_is_cancelled_ends() -> None:
    entered = asyncio.Event()

    class Slow(Saying):
        async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
            entered.set()
            await asyncio.Event().wait()
            raise AssertionError

    sending = asyncio.create_task(Guarded("ops", Slow(None), ()).send(b"", ()))
    async with asyncio.timeout(PATIENCE):
        await entered.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    with pytest.raises(Defect):
        await Guarded("ops", Saying(asyncio.CancelledError()), ()).send(b"", ())
