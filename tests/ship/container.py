"""As much of a container engine as a Dockerfile of ours needs, without its images: namespaces, and this machine's root.

A stage's root is an overlay of this machine's own. What the base image would bring (a Python with pip, a shell) is
this machine's; everything that the Dockerfile does is done by its own words.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.ship.dockerfile import Stage, Step, assignments

PATIENCE = 60.0
POLL = 0.1
PROGRAMS = ("unshare", "nsenter", "setpriv", "mount")
# As the base image has it.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# As engines have it, whatever this machine's is.
UMASK = 0o022
# What the image is made of, fetched beforehand (``make test`` does): no step asks anybody outside for anything.
WHEELS = Path(sys.prefix) / "wheels"
_OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}

_OVERLAY = """
set -e
mkdir "$1" "$1/upper" "$1/work" "$1/merged"
chmod 755 "$1/upper"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/merged"
cp --remove-destination /etc/resolv.conf /etc/hosts "$1/merged/etc/"
mount --rbind /dev "$1/merged/dev"
mount --bind /proc "$1/merged/proc"
"""

# The only process of its own world: nobody else's network, nobody's signals; nothing can be written but /data.
_CONTAINED = """
set -e
root=$1 config=$2 data=$3
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$config" "$root/etc/alert-receiver"
mount -o remount,bind,ro "$root/etc/alert-receiver"
mount --bind "$data" "$root/data"
mount -o remount,bind,ro "$root"
shift 3
exec chroot "$root" "$@"
"""

_LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Refused(Exception):
    """This machine does not let us make namespaces, or mount in them."""


class Failed(AssertionError):
    """A step failed."""


class World:
    """A mount namespace, in which are the roots of the stages; gone with the process that holds it."""

    def __init__(self, folder: Path) -> None:
        """Make it, with its files in memory, beneath this folder."""
        self.folder = folder
        folder.mkdir()
        command = 'mount -t tmpfs stages "$0" && echo made && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", command, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "made\n":
            _, said = self._holder.communicate()
            raise Refused(said.strip())

    def close(self) -> None:
        """Let it go."""
        self._holder.communicate("")

    def entering(self) -> list[str]:
        """What to put before a command that is to be run within."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt"]

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Run a command within; what it printed."""
        done = subprocess.run(
            [*self.entering(), *map(str, command)], capture_output=True, text=True, env=env, umask=UMASK, check=False
        )
        if done.returncode:
            raise Failed(f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}")
        return done.stdout


class Root:
    """The root of a stage, and what its steps have set so far."""

    def __init__(self, world: World, name: str) -> None:
        """An overlay of this machine's root, with a ``python`` that has pip."""
        self.world = world
        self.path = world.folder / name / "merged"
        self.env = {"PATH": PATH}
        self.workdir = "/"
        try:
            world.run("sh", "-c", _OVERLAY, "sh", world.folder / name)
        except Failed as failed:
            raise Refused(str(failed)) from None
        # What lies on another disk is not in the overlay.
        for needed in (sys.prefix, sys.base_prefix):
            world.run(
                "sh", "-c", '[ -e "$1$2" ] || { mkdir -p "$1$2"; mount --bind "$2" "$1$2"; }', "sh", self.path, needed
            )
        # Where a Python was installed into somebody's home, others could not get at it, not even root's own group.
        for folder in Path(sys.base_prefix).parents:
            world.run("chmod", "a+x", f"{self.path}{folder}")
        python = f'printf \'#!/bin/sh\\nexec {sys.executable} "$@"\\n\' >"$0" && chmod 755 "$0"'
        world.run("sh", "-c", f'rm -f "$0" && {python}', f"{self.path}/usr/local/bin/python")

    def build(self, stage: Stage, others: Mapping[str, "Root"], context: Path) -> None:
        """Take the stage's steps, in order."""
        for step in stage.steps:
            match step.instruction:
                case "RUN":
                    self.run(step.value)
                case "COPY":
                    self._copy(step, others, context)
                case "ENV":
                    self.env |= assignments(step, self.env)
                case "WORKDIR":
                    self.workdir = step.value
                    self.world.run("mkdir", "-p", f"{self.path}{step.value}")
                case (
                    "ARG" | "LABEL" | "USER" | "VOLUME" | "EXPOSE" | "STOPSIGNAL" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD"
                ):
                    pass  # These say how it is run.
                case unknown:
                    raise NotImplementedError(unknown)

    def run(self, command: str) -> str:
        """Run a RUN's command; what it printed."""
        return self.world.run(
            "chroot", self.path, "sh", "-c", f'cd "$0" && {command}', self.workdir, env=self.env | _OFFLINE
        )

    def _copy(self, step: Step, others: Mapping[str, "Root"], context: Path) -> None:
        source, words = context, step.words
        if words[0].startswith("--from="):
            source = others[words.pop(0).removeprefix("--from=")].path
        *names, last = words
        target = self.path / os.path.normpath(f"{self.workdir}/{last}").lstrip("/")
        into = target if last.endswith("/") else target.parent
        self.world.run("mkdir", "-p", into)
        for name in names:
            origin = source / name.lstrip("/")
            # A folder's content, but a file itself.
            script = 'if [ -d "$1" ]; then mkdir -p "$2" && cp -a "$1/." "$2"; else cp -p "$1" "$2"; fi'
            self.world.run("sh", "-c", script, "sh", origin, target)


class Container:
    """The image at work, as nobody in particular, with a root that can't be written."""

    def __init__(self, root: Root, command: Sequence[str], user: str, config: Path, folder: Path) -> None:
        """Start it with this configuration; ``folder`` gets its data and what it says."""
        self.root = root
        self.user = user
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        # Engines make a new volume from what the image has there.
        owner, group, mode = root.world.run("stat", "-c", "%u %g %a", root.path / "data").split()
        os.chown(self.data, int(owner), int(group))
        self.data.chmod(int(mode, 8))
        root.world.run("mkdir", "-p", root.path / "etc" / "alert-receiver")
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [
                    *root.world.entering(),
                    *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount"),
                    *(sys.executable, "-c", _LOOPBACK_UP),
                    *("sh", "-c", _CONTAINED, "sh", root.path, config, self.data),
                    *self._as(user),
                    *("sh", "-c", 'cd "$0" && exec "$@"', root.workdir),
                    *command,
                ],
                env=root.env,
                umask=UMASK,
                stdout=out,
                stderr=err,
            )

    def _as(self, user: str) -> list[str]:
        uid, _, gid = user.partition(":")
        return [
            *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"),
            *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
        ]

    @property
    def pid(self) -> int | None:
        """The first process within, as this machine numbers it; None as long as there is none."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        """What it has logged."""
        return self._err.read_text()

    def run(self, *command: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run another command within, as the same user unless said otherwise."""
        assert self.pid is not None
        entering = [
            "nsenter",
            f"--target={self.pid}",
            "--mount",
            "--net",
            "--pid",
            "--root",
            f"--wd=/proc/{self.pid}/cwd",
        ]
        return subprocess.run(
            [*entering, *self._as(user or self.user), *command],
            capture_output=True,
            text=True,
            env=self.root.env,
            check=False,
        )

    def until_well(self, command: Sequence[str]) -> str:
        """Run the health check until it succeeds; what it said then."""
        deadline = time.monotonic() + PATIENCE
        while True:
            # Before that, it is still another program's process that would be entered.
            if "listening" in self.stderr and (found := self.run(*command)).returncode == 0:
                return found.stdout
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"not well\n{self.stderr}")
            time.sleep(POLL)

    def until_printed(self, text: str) -> None:
        """Wait until it has printed this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.stdout:
            assert time.monotonic() < deadline, f"{text} not in\n{self.stdout}\n{self.stderr}"
            time.sleep(POLL)

    def stop(self, number: int) -> int:
        """Send the signal, as engines do; the exit code."""
        assert self.pid is not None
        os.kill(self.pid, number)
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """See that nothing is left running."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
