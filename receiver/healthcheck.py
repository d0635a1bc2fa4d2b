"""``alert-receiver healthcheck``: ask a running receiver how it is, as containers do every few seconds.

It loads nothing of the receiver itself: ``python -m receiver.healthcheck`` takes a tenth of the processor time.
"""

import http.client
import sys
import threading
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import click

from receiver import __version__

TIME_LIMIT_SECONDS = 3.0
# What every answer of ours begins with; Prometheus and Alertmanager have the same paths.
OURS = "alert-receiver is "
LINE_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out, in one line."""

    well: bool
    line: str


class BaseUrl(click.ParamType[SplitResult]):
    """Where a receiver listens: ``http://host:port``, with a path before ours where a proxy wants one."""

    name = "url"

    def convert(
        self, value: str | SplitResult, param: click.Parameter | None, ctx: click.Context | None
    ) -> SplitResult:
        """Its parts. What is refused is not repeated, since it may hold a password."""
        if isinstance(value, SplitResult):
            return value
        try:
            url = urlsplit(value)
            usable = url.scheme == "http" and url.hostname and url.port != 0 and value.isascii() and value.isprintable()
        except ValueError:
            usable = None
        if not usable or " " in value:
            self.fail("not an address of a receiver; write it like http://127.0.0.1:9095", param, ctx)
        if "@" in url.netloc or url.query or url.fragment:
            self.fail("only host, port and path belong here; the probes need neither login nor token", param, ctx)
        return url


@click.command(
    "healthcheck",
    short_help="Ask a running receiver how it is.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--url", type=BaseUrl(), default="http://127.0.0.1:9095", show_default=True, help="Where the receiver listens."
)
@click.option("--ready", is_flag=True, help="Also whether its store can commit: /-/ready instead of /-/healthy.")
def command(url: SplitResult, ready: bool) -> None:
    """Ask a running receiver how it is, for three seconds at most; exit code 0 if it is well, 1 if not.

    It asks directly, whatever proxies the environment names.
    """
    finding = examine(url, "/-/ready" if ready else "/-/healthy", TIME_LIMIT_SECONDS)
    click.echo(f"{'SUCCESS' if finding.well else 'FAILED'}: {finding.line}")
    sys.exit(0 if finding.well else 1)


def examine(url: SplitResult, path: str, limit: float) -> Finding:
    """Ask for the path, and give up after ``limit`` seconds, whatever it is that takes so long."""
    where = f"http://{url.netloc}{url.path.rstrip('/')}{path}"
    found: list[Finding] = []

    def ask() -> None:
        found.append(_ask(url, path, where, limit))

    # A socket's time limit is one for each step: a name server, or an answer that trickles, could take for ever.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit)
    return found[0] if found else Finding(False, f"{where} has not answered within {limit:g} s")


def _ask(url: SplitResult, path: str, where: str, limit: float) -> Finding:
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=limit)
    try:
        headers = {"User-Agent": f"alert-receiver/{__version__}", "Connection": "close"}
        connection.request("GET", url.path.rstrip("/") + path, headers=headers)
        answer = connection.getresponse()
        line = _first_line(answer.read(4 * LINE_SHOWN))
    except TimeoutError:
        return Finding(False, f"{where} has not answered within {limit:g} s")
    except OSError as error:
        return Finding(False, f"{where} can't be reached: {error.strerror or type(error).__name__}")
    except UnicodeError:
        return Finding(False, f"{where} can't be reached: {url.hostname!r} is no host's name")
    except http.client.HTTPException:
        return Finding(False, f"{where} does not speak HTTP")
    finally:
        connection.close()
    if not line.startswith(OURS):
        return Finding(False, f"{where} is answered by something else (HTTP {answer.status}): check the port")
    if answer.status != 200:
        return Finding(False, f"{line} (HTTP {answer.status})")
    return Finding(True, line)


def _first_line(body: bytes) -> str:
    """What the answer says, without whatever a terminal might obey."""
    line = body.decode("ascii", "replace").partition("\n")[0][:LINE_SHOWN].strip()
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in line)


if __name__ == "__main__":
    command(prog_name="alert-receiver healthcheck")
