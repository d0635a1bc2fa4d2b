"""The example of the whole way: valid, consistent in itself, and a mail comes out of it."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from receiver.cli import main
from tests.end_to_end.monitoring import answers
from tests.end_to_end.notifications import mail_text, parsed
from tests.end_to_end.processes import PATIENCE, Program, ReceiverProcess
from tests.ship import dockerfile
from tests.ship.dockerfile import ROOT
from tests.smtp_server import SmtpServer

COMPOSE = ROOT / "docs" / "examples" / "compose.yml"
FOLDER = COMPOSE.parent / "compose"
SCHEMA = Path(__file__).parent / "data" / "compose-spec.json"
OURS = "alert-receiver"
# Which nobody publishes, since people look at the mailbox by HTTP.
MAILPIT_SMTP = 1025


@cache
def compose() -> Any:
    """The example."""
    return yaml.safe_load(COMPOSE.read_text())


@cache
def config(name: str) -> Any:
    """One of its configuration files."""
    return yaml.safe_load((FOLDER / name).read_text())


def services() -> Any:
    return compose()["services"]


def mounts(service: str) -> dict[str, str]:
    """What is mounted into a service, the source by the target."""
    split = (volume.split(":") for volume in services()[service].get("volumes", []))
    return {target: source for source, target, *_ in split}


def mounted(service: str, path: str) -> Path:
    """The file of this machine that a service sees at this path."""
    for target, source in mounts(service).items():
        if path == target or path.startswith(f"{target}/"):
            return (COMPOSE.parent / source).resolve() / path.removeprefix(target).lstrip("/")
    raise AssertionError(f"{service} has nothing at {path}")


def flag(service: str, name: str) -> str:
    """The value of a service's flag."""
    [value] = [word.partition("=")[2] for word in services()[service]["command"] if word.startswith(f"--{name}=")]
    return str(value)


def published(service: str) -> int:
    """The port within the container that a service publishes; fails where others than this machine reach it."""
    [port] = services()[service]["ports"]
    address, outside, inside = port.split(":")
    assert (address, outside) == ("127.0.0.1", inside), port
    return int(inside)


def relocated(text: str, places: dict[str, str]) -> str:
    """A configuration for this machine."""
    for place, here in places.items():
        assert place in text, f"nothing says {place}"
        text = text.replace(place, here)
    return text


def rule_paths() -> dict[str, str]:
    """Where this machine has what prometheus.yml calls so."""
    return {path: str(mounted("prometheus", path)) for path in config("prometheus.yml")["rule_files"]}


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft7Validator:
    """Compose's own schema."""
    return jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))


def test_it_is_a_compose_file(schema: jsonschema.Draft7Validator) -> None:
    assert [error.message for error in schema.iter_errors(compose())] == []


@pytest.mark.parametrize("broken", [{"imagee": "x"}, {"ports": [{"publish": 1}]}, {"build": 1}])
def test_the_schema_would_find_mistakes(schema: jsonschema.Draft7Validator, broken: dict[str, object]) -> None:
    assert not schema.is_valid(compose() | {"services": services() | {OURS: services()[OURS] | broken}})


def test_images_are_pinned_by_a_full_version() -> None:
    images = {name: service["image"] for name, service in services().items() if "image" in service}
    assert set(images) == set(services()) - {OURS}
    for image in images.values():
        assert re.fullmatch(r"docker\.io/[a-z]+/[a-z]+:v\d+\.\d+\.\d+", image), image


def test_what_is_mounted_is_there_and_every_file_is_used() -> None:
    sources = {source for name in services() for source in mounts(name).values()} - set(compose()["volumes"])
    for source in sources:
        assert (COMPOSE.parent / source).exists(), source
    assert {f"./compose/{path.name}" for path in FOLDER.iterdir()} == {s for s in sources if s.startswith("./compose/")}
    assert mounted("prometheus", "/etc/prometheus-rules") == ROOT / "rules"


def test_the_receiver_is_built_here_and_runs_as_its_image_expects() -> None:
    service = services()[OURS]
    assert (COMPOSE.parent / service["build"]).resolve() == ROOT
    final = dockerfile.read().final
    [path] = [word.partition("=")[2] for word in final.one("CMD").listed if word.startswith("--config.file")]
    assert mounted(OURS, path) == FOLDER / "alert-receiver.yml"
    assert mounts(OURS)[final.one("VOLUME").value] in compose()["volumes"]
    assert str(published(OURS)) == final.one("EXPOSE").value
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_hosts_and_ports_are_those_of_the_services() -> None:
    ours = {f"{name}:{published(name)}" for name in services()}
    scraped = {
        target
        for job in config("prometheus.yml")["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert scraped == {f"localhost:{published('prometheus')}"} | (ours - {"prometheus:9090", "mailpit:8025"})
    [told] = config("prometheus.yml")["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert told == f"alertmanager:{published('alertmanager')}"
    [webhook] = config("alertmanager.yml")["receivers"][0]["webhook_configs"]
    assert webhook["url"] == f"http://{OURS}:{published(OURS)}/webhook"
    mail = config("alert-receiver.yml")["smtp"]
    assert (mail["host"] in services(), mail["port"]) == (True, MAILPIT_SMTP)
    for name in ("prometheus", "alertmanager"):
        assert flag(name, "web.external-url") == f"http://localhost:{published(name)}"
    assert f"http://localhost:{published('mailpit')}" in COMPOSE.read_text()


def test_what_the_rules_of_the_pipeline_watch_is_scraped() -> None:
    jobs = {job["job_name"] for job in config("prometheus.yml")["scrape_configs"]}
    assert {OURS, "prometheus", "alertmanager"} <= jobs


@pytest.mark.parametrize(
    "program", [pytest.param(name, marks=pytest.mark.real(name)) for name in ("promtool", "promtool-current")]
)
def test_promtool_takes_prometheus_yml_and_all_its_rules(program: str, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(relocated(mounted("prometheus", flag("prometheus", "config.file")).read_text(), rule_paths()))
    done = subprocess.run([program, "check", "config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    checked = set(re.findall(r"^Checking (\S+)", done.stdout, re.MULTILINE))
    assert checked == {str(path), str(FOLDER / "demo.yml"), *map(str, (ROOT / "rules").glob("*.yml"))}


@pytest.mark.real("amtool")
def test_amtool_takes_alertmanager_yml() -> None:
    path = mounted("alertmanager", flag("alertmanager", "config.file"))
    done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_config_takes_alert_receiver_yml_without_a_warning() -> None:
    result = CliRunner().invoke(main, ["check-config", str(FOLDER / "alert-receiver.yml")])
    assert result.exit_code == 0, result.output
    assert "SUCCESS" in result.output
    assert "warning" not in result.output


async def run(
    programs: list[Program],
    program: str,
    service: str,
    path: Path,
    port: int,
) -> None:
    """Run a service's program with its own flags, but its files and its port on this machine."""
    own = [word for word in services()[service]["command"] if not re.match(r"--(config\.file|storage\.)", word)]
    storage = "storage.path" if service == "alertmanager" else "storage.tsdb.path"
    listen = f"--web.listen-address=127.0.0.1:{port}"
    started = Program(program, f"--config.file={path}", f"--{storage}=data", listen, *own, cwd=path.parent)
    programs.append(started)
    await started.start()
    await answers(f"http://127.0.0.1:{port}/-/ready")


@pytest.mark.real("prometheus", "prometheus-alertmanager")
async def test_the_demo_rule_comes_through_as_a_mail(
    programs: list[Program],
    smtp: SmtpServer,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    folders = {name: tmp_path / name for name in ("prometheus", "alertmanager", OURS)}
    for folder in folders.values():
        folder.mkdir()
    # The files themselves, only quicker, and on this machine.
    ours = config("alert-receiver.yml")
    ours = ours | {"smtp": ours["smtp"] | {"host": "127.0.0.1", "port": smtp.port}, "defaults": {"group_wait": "50ms"}}
    receiver = ReceiverProcess(folders[OURS], ours)
    programs.append(receiver)
    await receiver.start()

    places = {"prometheus": f"127.0.0.1:{free_port()}", "alertmanager": f"127.0.0.1:{free_port()}"}
    path = folders["alertmanager"] / "alertmanager.yml"
    path.write_text(relocated((FOLDER / path.name).read_text(), {f"http://{OURS}:9095": receiver.url}))
    port = int(places["alertmanager"].partition(":")[2])
    await run(programs, "prometheus-alertmanager", "alertmanager", path, port)
    path = folders["prometheus"] / "prometheus.yml"
    here = {
        "alertmanager:9093": places["alertmanager"],
        "localhost:9090": places["prometheus"],
        f"{OURS}:9095": receiver.url.removeprefix("http://"),
        "15s": "200ms",
    }
    path.write_text(relocated((FOLDER / path.name).read_text(), here | rule_paths()))
    await run(programs, "prometheus", "prometheus", path, int(places["prometheus"].partition(":")[2]))

    async with asyncio.timeout(PATIENCE):
        [mail] = await smtp.wait_for(1)
    assert parsed(mail.data)["Subject"] == "[FIRING:1] DemoAlwaysFires"
    assert mail.recipients == ("oncall@example.com",)
    text = mail_text(mail.data)
    assert "This came all the way from Prometheus to your mailbox." in text
    # As the services' own flags have it, not as they would call themselves.
    assert "http://localhost:9090/graph" in text
