"""The Pod Security Standard "restricted", which takes in "baseline", for what a pod's specification can say.

Written down from https://kubernetes.io/docs/concepts/security/pod-security-standards/ and from the checks that the API
server makes, the Go package k8s.io/pod-security-admission/policy v0.37.1. Where the versions from 1.25 to 1.37
differ, this is the strictest of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
"""Restricted: the kinds of volume."""

SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_syncookies",
}
"""Baseline: the safe ones."""

SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t"}
"""Baseline: the types."""


def violations(pod: Mapping[str, Any]) -> Iterator[str]:
    """What the standard forbids in the pod's specification."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} is set"
    shared = pod.get("securityContext", {})
    for sysctl in shared.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"the sysctl {sysctl['name']} is set"
    for volume in pod.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"the volume {volume['name']} is a {kind}"
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in pod.get(key, []):
            for violation in _of(container, shared):
                yield f"{container['name']}: {violation}"


def _of(container: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("privileged"):
        yield "is privileged"
    if own.get("procMount", "Default") != "Default":
        yield "has another procMount"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "does not set allowPrivilegeEscalation to false"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "does not drop all capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
        yield "does not set runAsNonRoot"
    seccomp = own.get("seccompProfile", shared.get("seccompProfile", {})).get("type")
    if seccomp not in ("RuntimeDefault", "Localhost"):
        yield f"has the seccomp profile {seccomp}"
    for context in (shared, own):
        yield from _of_context(context)
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield f"takes the host's port {port['hostPort']}"
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        yield from _of_handler(key, container.get(key, {}))
    for key, handler in container.get("lifecycle", {}).items():
        yield from _of_handler(key, handler)


def _of_context(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield "runs as user 0"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "is a host process"
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "is not confined by AppArmor"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in SELINUX_TYPES:
        yield f"has the SELinux type {selinux['type']}"
    if selinux.get("user") or selinux.get("role"):
        yield "has another SELinux user or role"


def _of_handler(name: str, handler: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("httpGet", "tcpSocket"):
        if handler.get(kind, {}).get("host"):
            yield f"{name} asks another host"
