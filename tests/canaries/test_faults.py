"""Whatever goes wrong, at whatever level and in whatever format it is logged: no credential is told."""

import signal
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.canaries.canary import Canaries, leaks
from tests.canaries.house import House, house
from tests.canaries.misconfigured import files
from tests.canaries.providers import SLACK_WAYS, SMTP_STAGES, SMTP_WAYS

LOGGED = [(level, form) for level in ("debug", "info", "warn", "error") for form in ("logfmt", "json")]
# Each level once, each format twice; the long proof has them all.
SLICE = [("debug", "logfmt"), ("info", "json"), ("warn", "logfmt"), ("error", "json")]

MAIL = [("", ""), *((stage, way) for stage in SMTP_STAGES for way in SMTP_WAYS if way != "hang")]
SLACK = ["", *(way for way in SLACK_WAYS if way != "hang")]


def logged(level: str, form: str) -> tuple[str, str]:
    """The flags."""
    return f"--log.level={level}", f"--log.format={form}"


async def ask_everything(there: House) -> None:
    """Every path, and what is no path, with credentials where a clumsy sender would put them."""
    password, webhook = there.canaries.password.value, there.canaries.webhook.value
    for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/webhook", "/api/v1/messages", "/nothing"):
        await there.ask("GET", path)
    await there.ask("GET", "/metrics", Accept="application/openmetrics-text")
    await there.ask("PUT", f"/nothing/{'x' * 60}{quote(password, safe='')}", b"{}")
    await there.ask("POST", f"/webhook/{quote(password, safe='')}", b"{}")
    await there.ask("POST", f"/webhook/{'x' * 80}{webhook}?token={quote(password)}", b"not JSON")
    await there.ask("POST", f"/api/v1/messages/{quote(password, safe='')}/redeliver")
    await there.ask("GET", f"/api/v1/messages?state={quote(password, safe='')}&limit={quote(webhook, safe='')}")
    await there.ask("POST", "/webhook", password.encode())
    await there.ask("POST", "/webhook", b'{"alerts": {"x": "' + webhook.encode() + b'"}}')
    await there.ask("GET", f"/metrics?token={quote(there.canaries.token.value)}")
    for wrong in (password[:20].encode().hex(), there.canaries.token.value[:-1], there.canaries.old_token.value):
        await there.ask("POST", "/-/reload", Forwarded=quote(password), Authorization=f"Bearer {wrong}")


async def misconfigure(there: House) -> None:
    """Reload every configuration that can't be used, and the good one again."""
    path = there.folder / "alert-receiver.yml"
    good = path.read_text()
    for broken in files(there.canaries, there.folder).values():
        path.write_text(broken.read_text())
        await there.ask("POST", "/-/reload")
    path.write_text(good)
    assert (await there.ask("POST", "/-/reload")).status == 200


async def meet_every_fault(there: House) -> None:
    """One life of the program."""
    assert (await there.tell("Down")).status == 200
    await there.everybody_tried()
    await ask_everything(there)
    await misconfigure(there)
    assert await there.program.terminate() == 0
    assert any(server.heard_secret for server in there.mail)
    assert leaks({"the store": there.program.store.read_bytes()}, (there.canaries.label,)), "it was never there"
    assert there.leaks() == []


@pytest.mark.parametrize(("level", "form"), SLICE)
async def test_no_fault_tells_a_credential(level: str, form: str, canaries: Canaries, tmp_path: Path) -> None:
    async with house(tmp_path, canaries, *logged(level, form), mail=MAIL, slack=SLACK) as there:
        await meet_every_fault(there)


@pytest.mark.prove
@pytest.mark.parametrize(("level", "form"), LOGGED * 5)
async def test_no_fault_tells_a_credential_however_often_it_is_tried(
    level: str, form: str, canaries: Canaries, tmp_path: Path
) -> None:
    async with house(tmp_path, canaries, *logged(level, form), mail=MAIL, slack=SLACK) as there:
        await meet_every_fault(there)


async def crash(there: House, broken: str) -> None:
    """Have the sabotaged program meet what was broken in it, and end it."""
    assert (await there.tell("Down")).status == 200
    if broken == "task":
        assert await there.program.ended() == 1
    else:
        await there.everybody_tried()
        assert await there.program.terminate() == 0
    assert any("RuntimeError" in line for line in there.program.stderr)


@pytest.mark.parametrize(
    ("broken", "level", "form"),
    [
        ("channels", "debug", "logfmt"),
        ("channels", "error", "json"),
        ("stray", "warn", "json"),
        ("task", "info", "json"),
    ],
)
async def test_no_crash_tells_a_credential(
    broken: str, level: str, form: str, canaries: Canaries, tmp_path: Path
) -> None:
    async with house(tmp_path, canaries, *logged(level, form), mail=[("", "")], slack=[""], sabotage=[broken]) as there:
        await crash(there, broken)
        assert there.leaks() == []


@pytest.mark.prove
@pytest.mark.parametrize(("level", "form"), LOGGED)
@pytest.mark.parametrize("broken", ["channels", "stray", "task"])
async def test_no_crash_tells_a_credential_at_any_level(
    broken: str, level: str, form: str, canaries: Canaries, tmp_path: Path
) -> None:
    async with house(tmp_path, canaries, *logged(level, form), mail=[("", "")], slack=[""], sabotage=[broken]) as there:
        await crash(there, broken)
        assert there.leaks() == []


async def test_a_channels_crash_is_told_by_type_and_place_alone_so_that_no_scrubber_is_needed(
    canaries: Canaries, tmp_path: Path
) -> None:
    sabotage = ["scrubber", "channels"]
    async with house(tmp_path, canaries, mail=[("", "")], slack=[""], sabotage=sabotage) as there:
        await crash(there, "channels")
        assert [leak for leak in there.leaks() if leak.startswith("stderr")] == []
        assert any("sending broke" in line for line in there.program.stderr)


@pytest.mark.parametrize("broken", ["stray", "task"])
async def test_with_the_scrubber_switched_off_a_crash_tells_credentials(
    broken: str, canaries: Canaries, tmp_path: Path
) -> None:
    sabotage = ["scrubber", broken]
    async with house(tmp_path, canaries, mail=[("", "")], slack=[""], sabotage=sabotage) as there:
        await crash(there, broken)
        told = {canary.name for canary in canaries.all for leak in there.leaks() if f"stderr: {canary.name}" in leak}
    # The first channel to crash ends the process.
    assert told if broken == "task" else told == {"password", "webhook"}


async def test_with_the_scrubber_switched_off_faults_tell_credentials_in_logs_and_answers(
    canaries: Canaries, tmp_path: Path
) -> None:
    async with house(tmp_path, canaries, mail=[("", "")], slack=[""], sabotage=["scrubber"]) as there:
        await ask_everything(there)
        await misconfigure(there)
        assert await there.program.terminate() == 0
        found = there.leaks()
    for place in ("stderr", "answer"):
        for canary in (canaries.password, canaries.webhook, canaries.digits, canaries.token):
            assert any(leak.startswith(place) and f": {canary.name} (" in leak for leak in found)


async def test_a_store_that_fails_tells_no_credential(canaries: Canaries, tmp_path: Path) -> None:
    async with house(tmp_path, canaries, *logged("debug", "json"), mail=[("", ""), (".", "4xx")], slack=[""]) as there:
        assert (await there.tell("Before")).status == 200
        await there.everybody_tried()
        there.fill_the_disk()
        assert (await there.tell("Full")).status == 503
        await ask_everything(there)
        there.make_room()
        assert (await there.tell("After")).status == 200
        assert await there.program.terminate() == 0
        assert there.leaks() == []


async def test_a_receiver_that_is_stopped_while_its_providers_hang_tells_no_credential(
    canaries: Canaries, tmp_path: Path
) -> None:
    mail = [(stage, "hang") for stage in SMTP_STAGES]
    async with house(tmp_path, canaries, *logged("debug", "logfmt"), mail=mail, slack=["hang"]) as there:
        assert (await there.tell("Down")).status == 200
        await there.everybody_tried()
        there.program.signal(signal.SIGTERM)
        await there.program.wait_until(lambda: any("stopping" in line for line in there.program.stderr), "it stops")
        for server in (*there.mail, *there.slack):
            server.stop()
        assert await there.program.ended() == 0
        assert there.leaks() == []


@pytest.mark.parametrize("arguments", [("send-test", "--config.file"), ("check-config", "--deep")])
async def test_trying_the_channels_tells_no_credential(
    arguments: tuple[str, str], canaries: Canaries, tmp_path: Path
) -> None:
    async with house(tmp_path, canaries, mail=MAIL, slack=SLACK, started=False) as there:
        finished = await there.run(*arguments, "alert-receiver.yml")
        assert finished.code == 1
        assert "FAILED" in finished.stdout
        assert any(server.heard_secret for server in there.mail)
        assert there.leaks() == []
