"""Hardened by default: each pod meets the Pod Security Standard "restricted", and a little more."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.rendering import CASES, case, rendering
from tests.helm.restricted import violations

every_case = pytest.mark.parametrize("values", CASES, ids=lambda path: path.name.removesuffix("-values.yaml"))

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "it",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}


@pytest.mark.real("helm")
@every_case
def test_every_pod_meets_the_restricted_standard(values: Path) -> None:
    pods = list(rendering(values).pods())
    assert pods
    for whose, _, spec in pods:
        assert not list(violations(spec)), whose


@pytest.mark.real("helm")
@every_case
def test_no_pod_has_a_token_or_writes_to_its_image(values: Path) -> None:
    made = rendering(values)
    for _, _, spec in made.pods():
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
    for account in made.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & {it["kind"] for it in made.objects}


@pytest.mark.real("helm")
def test_a_cluster_that_gives_out_users_itself_is_given_none() -> None:
    context = rendering(case("openshift")).one("StatefulSet")["spec"]["template"]["spec"]["securityContext"]
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & context.keys()
    assert context["runAsNonRoot"] is True


@pytest.mark.real("helm")
@every_case
def test_the_configuration_is_in_secrets_alone(values: Path) -> None:
    for it in rendering(values).objects:
        if it["kind"] != "Secret":
            assert "alert-receiver.yml" not in it.get("data", {})
            assert "channels:" not in yaml.safe_dump(it)


def test_the_good_pod_of_these_tests_is_good() -> None:
    assert not list(violations(GOOD))


@pytest.mark.parametrize(
    ("pod", "container", "violation"),
    [
        ({"hostNetwork": True}, {}, "hostNetwork is set"),
        ({"hostPID": True}, {}, "hostPID is set"),
        ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, {}, "the volume root is a hostPath"),
        ({"securityContext": {}}, {}, "it: does not set runAsNonRoot"),
        ({"securityContext": {"runAsNonRoot": True}}, {}, "it: has the seccomp profile None"),
        ({}, {"securityContext": {}}, "it: does not set allowPrivilegeEscalation to false"),
        ({}, {"securityContext": {"allowPrivilegeEscalation": False}}, "it: does not drop all capabilities"),
        ({}, {"securityContext": {"privileged": True}}, "it: is privileged"),
        ({}, {"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}}, "it: adds capabilities"),
        ({}, {"securityContext": {"runAsUser": 0}}, "it: runs as user 0"),
        ({"securityContext": {**GOOD["securityContext"], "runAsUser": 0}}, {}, "it: runs as user 0"),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
            {},
            "the sysctl kernel.msgmax is set",
        ),
        ({"initContainers": [{"name": "first"}]}, {}, "first: does not drop all capabilities"),
        ({}, {"securityContext": {"procMount": "Unmasked"}}, "it: has another procMount"),
        ({}, {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}, "it: has the SELinux type spc_t"),
        ({}, {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, "it: is not confined by AppArmor"),
        ({}, {"livenessProbe": {"httpGet": {"host": "192.0.2.1"}}}, "it: livenessProbe asks another host"),
        ({}, {"lifecycle": {"preStop": {"tcpSocket": {"host": "192.0.2.1"}}}}, "it: preStop asks another host"),
        ({}, {"ports": [{"hostPort": 80}]}, "it: takes the host's port 80"),
    ],
)
def test_what_the_standard_forbids_is_found(pod: dict[str, Any], container: dict[str, Any], violation: str) -> None:
    spec = {**GOOD, **pod, "containers": [{**GOOD["containers"][0], **container}]}
    assert violation in list(violations(spec))
