"""The configuration that the pod gets: the receiver takes it, runs with it, and takes what helm test posts."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.processes import ReceiverProcess, command, environment
from tests.helm.rendering import CASES, CONFIG, Rendering, case, of, rendering, texts

pytestmark = pytest.mark.real("helm")

HELD = {
    "smtp": {"password": "a password"},
    "slack": {"webhook-url": "https://hooks.slack.com/services/T0/B0/abc", "bot-token": "xoxb-a-token"},
    "tokens": {"alertmanager": "a-token-for-alertmanager\nthe-one-before-it\n", "prometheus": "a-token-for-prometheus"},
    "smtp-credentials": {"username": "alerts", "password": "a password"},
    "slack-webhook": {"url": "https://hooks.slack.com/services/T0/B0/abc"},
    "webhook-token": {"token": "a-token-for-alertmanager"},
    "alert-receiver-config": {
        "config.yml": "storage: {url: 'sqlite:////data/alert-receiver.db'}\nchannels: [{name: log, type: console}]\n"
    },
}
"""What the Secrets of the cases hold in a cluster."""

SHOWN = [values for values in CASES if "openshift" not in values.name]

every_case = pytest.mark.parametrize("values", SHOWN, ids=lambda path: path.name.removesuffix("-values.yaml"))


def folder_of(made: Rendering, whose: str, folder: Path) -> Path:
    """Write the pod's configuration folder as the pod would see it; the path of the configuration."""
    [pod] = [spec for kind, _, spec in made.pods() if kind == whose]
    for path, held in made.files(pod, HELD).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # There, an absolute path is that of the container; and this is no test of certificates.
        text = held.replace(f"{CONFIG}/", f"{folder}/").replace("ca_file: /etc/company/ca.pem\n", "port: 587\n")
        file.write_text(text)
    return folder / "alert-receiver.yml"


@every_case
@pytest.mark.parametrize("whose", ["StatefulSet", "Job"])
async def test_the_receiver_takes_the_configuration(values: Path, whose: str, tmp_path: Path) -> None:
    file = folder_of(rendering(values), whose, tmp_path)
    checked = await command("check-config", str(file), cwd=tmp_path)
    assert checked.code == 0, checked.stdout
    assert "SUCCESS" in checked.stdout


async def test_a_secret_that_is_not_there_would_be_found(tmp_path: Path) -> None:
    file = folder_of(rendering(case("everything")), "StatefulSet", tmp_path)
    (tmp_path / "secrets" / "smtp" / "password").unlink()
    checked = await command("check-config", str(file), cwd=tmp_path)
    assert checked.code == 1
    assert "smtp.password_file" in checked.stdout
    assert "1 problem\n" in checked.stdout


@every_case
def test_the_check_reads_the_very_files_of_the_receiver(values: Path) -> None:
    made = rendering(values)
    files = {kind: made.files(spec, HELD) for kind, _, spec in made.pods() if kind != "Pod"}
    assert files["Job"] == files["StatefulSet"]
    images = {spec["containers"][0]["image"] for _, _, spec in made.pods()}
    assert len(images) == 1


def test_the_check_reads_the_new_configuration_and_not_the_one_in_force() -> None:
    made = rendering(case("minimal"))
    [config] = [it for it in made.one_hook("Job")["spec"]["template"]["spec"]["volumes"] if it["name"] == "config"]
    [source] = config["projected"]["sources"]
    assert source["secret"]["name"] == made.one_hook("Secret")["metadata"]["name"]
    assert source["secret"]["name"] != made.one("Secret")["metadata"]["name"]


async def test_the_check_passes_and_fails_as_the_configuration_does(tmp_path: Path) -> None:
    made = rendering(case("kube-prometheus-stack"))
    file = folder_of(made, "Job", tmp_path)
    [container] = made.one_hook("Job")["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["alert-receiver"]
    arguments = [argument.replace(CONFIG, str(tmp_path)) for argument in container["args"]]
    assert (await command(*arguments, cwd=tmp_path)).code == 0
    file.write_text(file.read_text().replace("fallback: oncall", "fallback: nobody"))
    failed = await command(*arguments, cwd=tmp_path)
    assert failed.code == 1
    assert "channels[1].fallback: no channel has this name" in failed.stdout


def test_the_check_comes_before_the_receiver_is_touched() -> None:
    made = rendering(case("minimal"))
    secret, job = (made.one_hook(kind)["metadata"] for kind in ("Secret", "Job"))
    weights = [int(it["annotations"]["helm.sh/hook-weight"]) for it in (secret, job)]
    assert weights == sorted(weights)
    for it in (secret, job):
        assert it["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # The Job stays for its log; a Secret that failed with it would only be forgotten.
    assert [it["annotations"]["helm.sh/hook-delete-policy"].split(",")[2:] for it in (secret, job)] == [
        ["hook-failed"],
        [],
    ]
    # The release's own comes only after the check.
    assert "serviceAccountName" not in made.one_hook("Job")["spec"]["template"]["spec"]


def test_the_check_has_the_surroundings_of_the_receiver_but_not_its_books() -> None:
    made = rendering(case("everything"))
    receiver = made.one("StatefulSet")["spec"]["template"]
    check = made.one_hook("Job")["spec"]["template"]
    assert check["spec"]["initContainers"] == receiver["spec"]["initContainers"]
    assert check["spec"]["priorityClassName"] == receiver["spec"]["priorityClassName"]
    assert check["spec"]["containers"][0]["volumeMounts"] == receiver["spec"]["containers"][0]["volumeMounts"]
    assert {"name": "data", "emptyDir": {}} in check["spec"]["volumes"]


def test_the_pods_of_hooks_have_the_receivers_annotations_and_may_have_others(tmp_path: Path) -> None:
    values = {
        **yaml.safe_load(case("minimal").read_text()),
        "podAnnotations": {"linkerd.io/inject": "enabled", "helm.sh/hook": "pre-install", "owner": "platform"},
        "podLabels": {"mesh": "one", "team": "platform"},
    }
    check = of(tmp_path, values).one_hook("Job")["spec"]["template"]["metadata"]
    assert check["annotations"] == values["podAnnotations"]
    values["configCheck"] = {
        "podAnnotations": {"linkerd.io/inject": "disabled"},
        "podLabels": {"mesh": "none", "app.kubernetes.io/component": "receiver"},
    }
    values["test"] = {"podAnnotations": {"linkerd.io/inject": "disabled"}}
    made = of(tmp_path, values)
    check = made.one_hook("Job")["spec"]["template"]["metadata"]
    test = made.one_hook("Pod")["metadata"]["annotations"]
    for annotations in (check["annotations"], test):
        assert annotations["linkerd.io/inject"] == "disabled"
        assert annotations["owner"] == "platform"
    assert test["helm.sh/hook"] == "test"
    assert (check["labels"]["mesh"], check["labels"]["team"]) == ("none", "platform")
    assert check["labels"]["app.kubernetes.io/component"] == "config-check"
    assert made.one("StatefulSet")["spec"]["template"]["metadata"]["annotations"]["linkerd.io/inject"] == "enabled"


def test_the_books_are_in_the_volume() -> None:
    config = yaml.safe_load(texts(rendering(case("minimal")).one("Secret"))["alert-receiver.yml"])
    assert config["storage"]["url"] == "sqlite:////data/alert-receiver.db"
    container = rendering(case("minimal")).one("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"]


def test_the_configuration_is_otherwise_what_the_values_say() -> None:
    chosen = yaml.safe_load(case("everything").read_text())["config"]
    config = yaml.safe_load(texts(rendering(case("everything")).one("Secret"))["alert-receiver.yml"])
    assert config.pop("storage") == {"url": "sqlite:////data/alert-receiver.db", "retention": "30d"}
    chosen.pop("storage")
    # The braces of templates too, for Helm has templates of its own.
    assert config == chosen


def test_the_command_of_the_pod_is_one_that_the_receiver_has() -> None:
    container = rendering(case("everything")).one("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["alert-receiver"]
    known = subprocess.run(
        [sys.executable, "-m", "receiver", "serve", "--help"], capture_output=True, text=True, check=True
    )
    for argument in container["args"][1:]:
        assert argument.partition("=")[0] in known.stdout


def test_by_default_it_listens_on_ipv4_and_ipv6() -> None:
    container = rendering(case("minimal")).one("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert "--web.listen-address=:9095" in container["args"]


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[ReceiverProcess]:
    """A receiver with the configuration of the case with tokens, but for who is told."""
    folder_of(rendering(case("everything")), "StatefulSet", tmp_path)
    config = yaml.safe_load((tmp_path / "alert-receiver.yml").read_text())
    process = ReceiverProcess(tmp_path, {"auth": config["auth"], "channels": [{"name": "log", "type": "console"}]})
    await process.start()
    yield process
    await process.close()


def posted(made: Rendering, url: str, folder: Path, secrets: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run what helm test runs, against this receiver."""
    [spec] = [spec for kind, _, spec in made.pods() if kind == "Pod"]
    [container] = spec["containers"]
    env = {it["name"]: it["value"] for it in container["env"]}
    assert env["WEBHOOK"].endswith("/webhook")
    env["WEBHOOK"] = f"{url}/webhook"
    if "TOKEN_FILE" in env:
        [mount] = [it for it in container["volumeMounts"] if it["name"] == "token"]
        [volume] = [it for it in spec["volumes"] if it["name"] == "token"]
        [item] = volume["secret"]["items"]
        assert env["TOKEN_FILE"] == f"{mount['mountPath']}/{item['path']}"
        env["TOKEN_FILE"] = str(folder / "token")
        (folder / "token").write_text(secrets[volume["secret"]["secretName"]][item["key"]])
    program, *options = container["command"]
    assert program == "python3"
    return subprocess.run(
        [sys.executable, *options, *container["args"]],
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
        # Half of what it waits for one that does not answer.
        timeout=30,
    )


async def test_helm_test_posts_an_alert_and_its_end_with_the_token(receiver: ReceiverProcess, tmp_path: Path) -> None:
    run = posted(rendering(case("everything")), receiver.url, tmp_path, HELD)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(": 200\n") == 2
    answer = await receiver.request("GET", "/metrics", headers={"Authorization": "Bearer a-token-for-prometheus"})
    assert 'alert_receiver_alerts_received_total{status="firing"} 1.0' in answer.text
    assert 'alert_receiver_alerts_received_total{status="resolved"} 1.0' in answer.text


async def test_helm_test_fails_at_once_where_its_token_is_none(receiver: ReceiverProcess, tmp_path: Path) -> None:
    wrong = {**HELD, "tokens": {"alertmanager": "of-another-receiver"}}
    run = posted(rendering(case("everything")), receiver.url, tmp_path, wrong)
    assert run.returncode == 1
    assert "answered 401" in run.stderr
    assert "of-another-receiver" not in run.stderr


async def test_helm_test_works_without_tokens(tmp_path: Path) -> None:
    process = ReceiverProcess(tmp_path, {"channels": [{"name": "log", "type": "console"}]})
    await process.start()
    try:
        made = rendering(case("minimal"))
        run = posted(made, process.url, tmp_path, HELD)
    finally:
        await process.close()
    assert run.returncode == 0, run.stderr
    [container] = made.of_kind("Pod")[0]["spec"]["containers"]
    assert "TOKEN_FILE" not in {it["name"] for it in container["env"]}


def test_the_test_alert_has_the_labels_that_are_said() -> None:
    [container] = rendering(case("everything")).of_kind("Pod")[0]["spec"]["containers"]
    [labels] = [it["value"] for it in container["env"] if it["name"] == "LABELS"]
    assert json.loads(labels) == yaml.safe_load(case("everything").read_text())["test"]["alertLabels"]


def test_the_token_of_helm_test_is_the_first_with_the_scope_or_the_one_that_is_said(tmp_path: Path) -> None:
    def source(values: Mapping[str, Any]) -> Any:
        volumes = of(tmp_path, values).of_kind("Pod")[0]["spec"]["volumes"]
        return [
            (it["secret"]["secretName"], it["secret"]["items"][0]["key"]) for it in volumes if it["name"] == "token"
        ]

    everything = yaml.safe_load(case("everything").read_text())
    assert source(everything) == [("tokens", "alertmanager")]
    everything["config"]["auth"]["tokens"].reverse()
    assert source(everything) == [("tokens", "alertmanager")]
    everything["test"]["tokenSecret"] = {"name": "other", "key": "key"}
    assert source(everything) == [("other", "key")]
