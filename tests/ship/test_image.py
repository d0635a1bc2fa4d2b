"""The image: what the Dockerfile says, and what becomes of it when its own steps are taken."""

import json
import os
import re
import signal
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from receiver import __version__
from receiver.cli import main
from tests.ship import container, dockerfile
from tests.ship.container import Container, Refused, Root, World
from tests.ship.dockerfile import DOCKERFILE, ROOT, Stage, assignments

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, BUILD = PYPROJECT["project"], PYPROJECT["build-system"]
OURS = "alert-receiver"
LOCKS = {name: ROOT / name for name in ("requirements-image.lock", "requirements-build.lock")}
EVERYTHING = ROOT / "requirements.lock"
# A user whom the image does not know, in the group that such users have on OpenShift.
SOMEBODY = "1000710000:0"

CONFIG = {
    "defaults": {"group_wait": "50ms"},
    # A template of one's own is rendered in a process of its own.
    "channels": [{"name": "ops", "type": "console", "templates": {"subject": "{{ alerts[0].name }}, rendered"}}],
}
POST = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 9095, timeout=30)
connection.request("POST", "/webhook", sys.argv[1])
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def file() -> dockerfile.Dockerfile:
    """The Dockerfile."""
    return dockerfile.read()


@pytest.fixture(scope="module")
def image(file: dockerfile.Dockerfile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """The final stage's root, after all steps of all stages."""
    folder = tmp_path_factory.mktemp("image")
    if os.geteuid() != 0:
        pytest.skip("only root may make roots and change users")
    if not container.WHEELS.is_dir():
        pytest.skip(f"there is no {container.WHEELS}: make test fetches what the image is made of")
    dockerfile.send_context(folder / "context")
    roots: dict[str, Root] = {}
    try:
        world = World(folder / "stages")
        try:
            for number, stage in enumerate(file.stages):
                name = stage.name or str(number)
                roots[name] = Root(world, name)
                roots[name].build(stage, roots, folder / "context")
            yield roots[name]
        finally:
            world.close()
    except Refused as refused:
        pytest.skip(f"no namespaces here: {refused}")


def locked(path: Path) -> dict[str, str]:
    """The entries of a lock file, with their hashes, by the package's name."""
    entries = re.split(r"\n(?=\w)", path.read_text().strip())
    return {entry.partition("==")[0]: entry for entry in entries}


def commands(stage: Stage) -> str:
    """All that a stage runs."""
    return "\n".join(step.value for step in stage.all("RUN"))


@pytest.mark.real(*container.PROGRAMS)
class TestBuilt:
    """The steps of the Dockerfile, taken."""

    @pytest.mark.parametrize("user", ["the image's own", SOMEBODY])
    def test_it_runs_as_any_user_on_a_root_that_nobody_can_write(
        self, user: str, image: Root, file: dockerfile.Dockerfile, tmp_path: Path
    ) -> None:
        final = file.final
        user = SOMEBODY if user == SOMEBODY else final.one("USER").value
        healthcheck = json.loads(final.one("HEALTHCHECK").value.partition("CMD ")[2])
        config = tmp_path / "config"
        config.mkdir()
        (config / "alert-receiver.yml").write_text(yaml.safe_dump(CONFIG))
        config.chmod(0o755)
        (config / "alert-receiver.yml").chmod(0o644)
        command = final.one("ENTRYPOINT").listed + final.one("CMD").listed
        running = Container(image, command, user, config, tmp_path / "running")
        try:
            assert running.until_well(healthcheck) == "SUCCESS: alert-receiver is healthy.\n"
            assert running.run(*healthcheck, "--ready").stdout == "SUCCESS: alert-receiver is ready.\n"
            assert running.run("id", "-u").stdout.strip() == user.partition(":")[0]
            refused = running.run("sh", "-c", "echo >/tmp/written", user="0:0")
            assert "Read-only file system" in refused.stderr

            body = json.dumps({"alerts": [{"status": "firing", "labels": {"alertname": "DiskFull"}}]})
            assert running.run("python", "-c", POST, body).stdout == "200\n"
            running.until_printed("DiskFull, rendered")

            assert running.stop(getattr(signal, final.one("STOPSIGNAL").value)) == 0, running.stderr
        finally:
            running.close()
        assert sorted(path.name for path in running.data.iterdir()) == ["alert-receiver.db", "alert-receiver.db.lock"]
        assert " level=error " not in running.stderr

    def test_what_is_locked_and_the_project_are_installed_and_nothing_else(self, image: Root) -> None:
        script = (
            "from importlib.metadata import distributions; print(*(d.name + '==' + d.version for d in distributions()))"
        )
        found = {name.lower().replace("_", "-") for name in image.run(f'python -c "{script}"').split()}
        wanted = {entry.partition(" ")[0] for entry in locked(LOCKS["requirements-image.lock"]).values()}
        assert found == wanted | {f"{OURS}=={__version__}"}

    def test_the_rules_of_the_sources_are_in_it(self, image: Root) -> None:
        assert image.run("alert-receiver rules") == CliRunner().invoke(main, ["rules"]).stdout

    def test_what_is_installed_has_its_bytecode_and_belongs_to_root(self, image: Root) -> None:
        home = f"{image.path}/opt/alert-receiver"
        assert image.world.run("find", home, "-not", "-user", "0") == ""
        assert image.world.run("find", home, "-perm", "/0022", "-not", "-type", "l") == ""
        modules = image.world.run("find", f"{home}/lib", "-path", "*/receiver/*.py").split()
        compiled = image.world.run("find", f"{home}/lib", "-path", "*/receiver/*.pyc").split()
        assert len(modules) == len(compiled) > 50


def test_base_images_are_pinned_and_can_be_replaced(file: dockerfile.Dockerfile) -> None:
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", file.arguments["PYTHON_IMAGE"])
    assert {stage.base for stage in file.stages} == {file.arguments["PYTHON_IMAGE"]}
    assert [line for line in DOCKERFILE.read_text().splitlines() if line.startswith("FROM")] == [
        "FROM ${PYTHON_IMAGE} AS build",
        "FROM ${PYTHON_IMAGE}",
    ]


def test_the_base_has_a_python_that_the_project_supports(file: dockerfile.Dockerfile) -> None:
    version = file.arguments["PYTHON_IMAGE"].partition(":")[2].partition("-")[0]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_everything_from_the_index_is_a_wheel_with_a_known_hash(file: dockerfile.Dockerfile) -> None:
    installs = [part for stage in file.stages for part in re.split("&&|\n", commands(stage)) if " pip " in part]
    assert len(installs) == 4
    for install in installs:
        locked_wheels = "--require-hashes" in install and "--only-binary :all:" in install
        local = "--no-deps" in install and ("--no-index" in install or "--no-build-isolation" in install)
        assert locked_wheels or local, install


def test_the_final_stage_installs_nothing_itself(file: dockerfile.Dockerfile) -> None:
    assert not re.search(r"\b(pip|apt|apt-get|gcc|make)\b", commands(file.final))


def test_the_locks_of_the_image_are_parts_of_the_lock_that_the_tests_run_with() -> None:
    everything = locked(EVERYTHING)
    for path in LOCKS.values():
        for name, entry in locked(path).items():
            assert entry == everything[name], f"{path.name} differs from {EVERYTHING.name}: make lock"


def test_the_locks_of_the_image_have_what_the_project_needs_and_no_more() -> None:
    have = set(locked(LOCKS["requirements-image.lock"]))
    direct = {canonicalize_name(Requirement(need).name) for need in PROJECT["dependencies"]}
    assert have == direct | {need for name in have for need in needs(name)}


def needs(name: str) -> Iterator[str]:
    """What a package needs without any extra, on some Python that the project supports."""
    for need in map(Requirement, Distribution.from_name(name).requires or []):
        environments = ({"python_version": version, "extra": ""} for version in ("3.11", "3.13"))
        if need.marker is None or any(need.marker.evaluate(environment) for environment in environments):
            yield canonicalize_name(need.name)


def test_what_builds_the_wheel_is_locked_too() -> None:
    have = locked(LOCKS["requirements-build.lock"])
    for need in map(Requirement, BUILD["requires"]):
        version = have[canonicalize_name(need.name)].partition("==")[2].split()[0]
        assert need.specifier.contains(version)


@pytest.mark.parametrize("path", LOCKS.values(), ids=LOCKS)
def test_the_locks_name_no_place_to_download_from(path: Path) -> None:
    assert "://" not in path.read_text()
    assert "--index" not in path.read_text()


def test_the_context_is_what_the_image_is_made_of_and_nothing_else(file: dockerfile.Dockerfile) -> None:
    sent = set(dockerfile.context())
    copied = [
        name.rstrip("/")
        for stage in file.stages
        for step in stage.all("COPY")
        if "--from" not in step.value
        for name in step.words[:-1]
    ]
    assert {path.parts[0] for path in sent} == set(copied)
    tracked = subprocess.run(["git", "ls-files", *copied], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0:  # Not so in an unpacked archive.
        others = subprocess.run(
            ["git", "ls-files", "--others", "--exclude-standard", *copied],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert {str(path) for path in sent} == set((tracked.stdout + others.stdout).split())


def test_bytecode_and_local_files_are_not_sent() -> None:
    rules = dockerfile.DOCKERIGNORE.read_text().splitlines()
    for left_out in (
        "receiver/__pycache__/cli.cpython-313.pyc",
        "receiver/core/__pycache__/x.pyc",
        ".git/config",
        ".env",
    ):
        assert dockerfile.ignored(Path(left_out), rules), left_out
    assert not dockerfile.ignored(Path("receiver/core/alerts.py"), rules)


def test_it_is_nobody_in_particular_and_the_number_says_so(file: dockerfile.Dockerfile) -> None:
    uid, gid = map(int, file.final.one("USER").value.split(":"))
    assert uid > 0 < gid
    instructions = [step.instruction for step in file.final.steps]
    assert "RUN" not in instructions[instructions.index("USER") :]


def test_paths_and_ports_agree(file: dockerfile.Dockerfile) -> None:
    final = file.final
    assert final.one("ENTRYPOINT").listed == [OURS]
    command = final.one("CMD").listed
    assert command[0] == "serve"
    port = final.one("EXPOSE").value
    assert f"--web.listen-address=0.0.0.0:{port}" in command
    assert "--config.file=/etc/alert-receiver/alert-receiver.yml" in command
    assert final.one("WORKDIR").value == final.one("VOLUME").value == "/data"
    assert final.one("STOPSIGNAL").value == "SIGTERM"
    assert f":{port}" in CliRunner().invoke(main, ["healthcheck", "--help"]).output


def test_the_health_check_has_time_for_its_own_limit(file: dockerfile.Dockerfile) -> None:
    [seconds] = re.findall(r"--timeout=(\d+)s", file.final.one("HEALTHCHECK").value)
    assert int(seconds) > 3


def test_python_writes_no_bytecode_and_holds_no_line_back(file: dockerfile.Dockerfile) -> None:
    env: dict[str, str] = {"PATH": "/bin"}
    for step in file.final.all("ENV"):
        env |= assignments(step, env)
    assert env == {"PATH": "/opt/alert-receiver/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def test_the_labels_say_what_it_is(file: dockerfile.Dockerfile) -> None:
    labels = assignments(file.final.one("LABEL"), {"VERSION": "1.2.3", "REVISION": "abcdef"})
    prefix = "org.opencontainers.image."
    assert {name.removeprefix(prefix): value for name, value in labels.items()} == {
        "title": PROJECT["name"],
        "description": PROJECT["description"].removeprefix("The last link of the alerting pipeline: "),
        "licenses": PROJECT["license"],
        "source": "https://github.com/alert-receiver/alert-receiver",
        "version": "1.2.3",
        "revision": "abcdef",
    }
    arguments = dict(step.value.split("=") for step in file.final.all("ARG"))
    assert arguments == {"VERSION": "unknown", "REVISION": "unknown"}


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
