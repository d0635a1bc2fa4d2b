"""Every record is one line, told in full, without credentials, whatever it holds."""

import asyncio
import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver import logs
from receiver.redaction import REDACTED
from tests.test_redaction import SECRETS

log = logging.getLogger("receiver.tests")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave logging and the hooks as they were, and start without the secrets of other tests."""
    root, ours = logging.getLogger(), logging.getLogger("receiver")
    before = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    with patch("receiver.redaction.known_values", return_value=frozenset()):
        yield
    root.handlers[:], root.level, ours.level, logging.raiseExceptions = before
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    logging.captureWarnings(False)
    root.setLevel(root.level)  # forget what loggers cached of their level


def configured(level: str = "info", form: str = "logfmt") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, form, stream)
    return stream


def only_line(stream: io.StringIO) -> str:
    (line,) = stream.getvalue().split("\n")[:-1]
    assert line.isprintable()
    return line


def only_object(stream: io.StringIO) -> dict[str, object]:
    line: dict[str, object] = json.loads(only_line(stream))
    return line


class Broken:
    """Something whose text can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("leak")

    __repr__ = __str__


def test_logfmt_is_as_prometheus_writes_it() -> None:
    stream = configured()
    log.info(
        "message %s", "sent", extra={"channel": "ops", "alerts": 3, "group": 'a="b c"', "odd key": None, "up": True}
    )
    assert re.fullmatch(
        r"ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info logger=receiver\.tests "
        r'msg="message sent" channel=ops alerts=3 group="a=\\"b c\\"" odd_key=null up=true',
        only_line(stream),
    )


def test_json_keeps_the_types_of_numbers() -> None:
    stream = configured(form="json")
    log.warning("x", extra={"n": 3, "f": 0.25, "inf": float("inf"), "t": True, "none": None, "o": ["é"]})
    line = only_object(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("ts")))
    assert line == {
        "level": "warn", "logger": "receiver.tests", "msg": "x",
        "n": 3, "f": 0.25, "inf": "inf", "t": True, "none": None, "o": "['é']",
    }  # fmt: skip


def test_an_extra_does_not_displace_the_records_own_keys() -> None:
    stream = configured(form="json")
    log.info("x", extra={"level": "debug", "ts": 1, "err": "mine"})
    line = only_object(stream)
    assert (line["level"], line["level_"], line["ts_"], line["err"]) == ("info", "debug", 1, "mine")


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warn", "error", "error"]),
        ("info", ["info", "warn", "error", "error"]),
        ("warn", ["warn", "error", "error"]),
        ("warning", ["warn", "error", "error"]),
        ("ERROR", ["error", "error"]),
    ],
)
def test_the_level_decides_what_is_told(level: str, told: list[str]) -> None:
    stream = configured(level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(number, "x")
    assert re.findall(r"level=(\w+)", stream.getvalue()) == told


@pytest.mark.parametrize(("level", "form"), [("trace", "json"), ("", "json"), ("info", "text")])
def test_an_unknown_level_or_format_is_an_error(level: str, form: str) -> None:
    with pytest.raises(ValueError, match=r"the log (level|format) must be"):
        logs.configure(level, form)


@pytest.mark.parametrize("name", ["aiohttp.access", "asyncio", "aiosmtplib", "sqlalchemy.engine", "slack", "receivers"])
def test_a_library_is_never_heard_below_warning(name: str, request: pytest.FixtureRequest) -> None:
    stream = configured("debug")
    library = logging.getLogger(name)
    request.addfinalizer(partial(library.setLevel, library.level))
    library.setLevel(logging.DEBUG)
    library.info("GET https://example.com/")
    library.warning("slow")
    assert f"level=warn logger={name} msg=slow" in only_line(stream)


def test_configuring_again_replaces_the_handler() -> None:
    first, second = configured(), configured("info", "json")
    log.info("x")
    assert first.getvalue() == ""
    assert only_object(second)["msg"] == "x"


@pytest.mark.parametrize("form", ["logfmt", "json"])
@given(text=st.text(st.characters()))
def test_any_text_is_one_line_and_can_be_read_back(form: str, text: str) -> None:
    stream = configured(form=form)
    log.info("x", extra={"value": f"{text} "})
    line = only_line(stream)
    value = json.loads(line)["value"] if form == "json" else json.loads(line.partition(" value=")[2])
    assert value == f"{text} "


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_an_exception_is_told_with_its_chain_on_the_same_line(form: str) -> None:
    stream = configured(form=form)
    try:
        try:
            raise KeyError("first\nline")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        log.exception("failed", extra={"channel": "ops"})
    line = only_line(stream)
    told = json.loads(line) if form == "json" else {"stack": line, "err": re.findall('err="([^"]+)"', line)[0]}
    assert told["err"] == "ValueError: second"
    assert "KeyError" in told["stack"]
    assert "test_logs.py" in told["stack"]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_of_an_exception_that_is_not_ours_its_type_and_place_are_told_and_not_its_text(form: str) -> None:
    def strange(text: str) -> None:
        raise ValueError(text)

    stream = configured(form=form)
    try:
        strange("\n".join("canary"))
    except ValueError as error:
        log.error("broke", extra=logs.unspoken(error))
    line = only_line(stream)
    place = f"test_logs.py:{strange.__code__.co_firstlineno + 1}"
    assert (f'"error": "ValueError", "at": "{place}"' if form == "json" else f"error=ValueError at={place} ") in line
    assert "in strange" in line
    assert "c\\na" not in line


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert logs.unspoken(KeyError("canary")) == {"error": "KeyError", "stack": ""}


def test_a_requested_stack_is_told() -> None:
    stream = configured(form="json")
    log.info("here", stack_info=True)
    assert "test_a_requested_stack_is_told" in str(only_object(stream)["stack"])


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_broken_extra_costs_its_own_value_only(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured(form=form)
    log.info("kept", extra={"bad": Broken(), "good": 1})
    line = only_line(stream)
    assert "kept" in line
    assert "<unprintable>" in line
    assert "good" in line
    assert "leak" not in line
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("args", [(Broken(),), (1, 2), ("text",)])
def test_arguments_that_do_not_fit_cost_the_arguments_only(args: tuple[object, ...]) -> None:
    stream = configured()
    log.info("took %d s", *args)
    line = only_line(stream)
    assert 'msg="took %d s"' in line
    assert "leak" not in line


def test_an_exception_that_has_no_text_is_told_by_its_type() -> None:
    class Mute(Broken, Exception):
        pass

    stream = configured()
    log.error("failed", exc_info=Mute())
    assert 'err="Mute: <unprintable>"' in only_line(stream)


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_line_that_can_not_be_scrubbed_is_withheld(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured(form=form)
    with patch("receiver.logs.scrub", side_effect=RecursionError("s3cr3t-value")):
        log.info("s3cr3t-value", extra={"n": 1})
    line = only_line(stream)
    assert "withheld" in line
    assert "s3cr3t" not in line
    assert form == "logfmt" or json.loads(line)["level"] == "error"
    assert capsys.readouterr() == ("", "")


def test_a_stream_that_refuses_is_borne_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured()
    stream.close()
    log.info("s3cr3t-value")
    assert capsys.readouterr() == ("", "")


def test_no_other_handler_prints_a_raw_record(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    other = logging.StreamHandler(io.StringIO())
    other.stream.close()
    log.addHandler(other)
    try:
        log.info("s3cr3t-value")
    finally:
        log.removeHandler(other)
    assert capsys.readouterr() == ("", "")


def in_message(secret: str) -> None:
    log.info("refused %s", secret)


def in_name(secret: str) -> None:
    logging.getLogger("receiver").getChild("x").handle(
        logging.makeLogRecord({"name": f"receiver.{secret}", "levelno": logging.INFO})
    )


def in_extra(secret: str) -> None:
    log.info("refused", extra={"url": f"https://u:{secret}@host", "list": [secret], f"of {secret}": 1})


def in_exception_chain(secret: str) -> None:
    try:
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise KeyError(secret) from error
    except KeyError as error:
        error.add_note(secret)
        log.exception("refused")


PLACES: list[Callable[[str], None]] = [in_message, in_name, in_extra, in_exception_chain]


@pytest.mark.parametrize("form", ["logfmt", "json"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@given(secret=SECRETS)
def test_a_known_secret_never_reaches_the_stream(form: str, place: Callable[[str], None], secret: str) -> None:
    with patch("receiver.redaction.known_values", return_value=frozenset({secret})):
        stream = configured(form=form)
        place(secret)
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert REDACTED in line
    left = line[:-1].replace(REDACTED, "\0")
    for spelled in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]):
        assert spelled not in left


def in_exception_group() -> None:
    log.error("refused", exc_info=ExceptionGroup(CANARY, [ValueError(CANARY), OSError(5, CANARY, CANARY)]))


def in_context() -> None:
    try:
        try:
            raise ValueError(CANARY)
        except ValueError:
            raise KeyError("another")  # noqa: B904 -- what is raised while another is handled
    except KeyError:
        log.exception("refused")


def in_cause_of_a_cause() -> None:
    error = RuntimeError("outer")
    error.__cause__ = TypeError({"url": CANARY})
    error.__cause__.__cause__ = UnicodeEncodeError("ascii", CANARY, 0, 3, CANARY)
    log.error("refused", exc_info=error)


def in_a_note() -> None:
    error = RuntimeError("outer")
    error.add_note(CANARY)
    log.error("refused", exc_info=error)


def in_arguments() -> None:
    log.error("%s refused %r: %s", CANARY.encode(), [CANARY], {CANARY: 1})


def in_a_stack() -> None:
    log.handle(logging.makeLogRecord({"name": "receiver.x", "levelno": logging.ERROR, "stack_info": CANARY}))


def in_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.install_hooks()
        warnings.warn(CANARY, UserWarning, stacklevel=1)
        logging.captureWarnings(False)


def in_the_loops_own_handler() -> None:
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": CANARY, "exception": ValueError(CANARY), "handle": CANARY})
    loop.close()


def in_a_task_that_nobody_awaited() -> None:
    async def fail() -> None:
        raise ValueError(CANARY)

    async def forget() -> None:
        task = asyncio.create_task(fail(), name=CANARY)
        await asyncio.wait([task])

    asyncio.run(forget())


def in_a_library() -> None:
    logging.getLogger("aiohttp.server").error(CANARY, exc_info=ValueError(CANARY))


CANARY = 'Xy7"k<&%+/\\é9-q'
HIDDEN: list[Callable[[], None]] = [
    in_exception_group,
    in_context,
    in_cause_of_a_cause,
    in_a_note,
    in_arguments,
    in_a_stack,
    in_a_warning,
    in_the_loops_own_handler,
    in_a_task_that_nobody_awaited,
    in_a_library,
]


@pytest.mark.parametrize("form", ["logfmt", "json"])
@pytest.mark.parametrize("hide", HIDDEN, ids=lambda place: place.__name__)
def test_wherever_a_record_holds_a_secret_it_is_told_without(form: str, hide: Callable[[], None]) -> None:
    with patch("receiver.redaction.known_values", return_value=frozenset({CANARY})):
        stream = configured("debug", form)
        hide()
    line = only_line(stream)
    assert REDACTED in line
    # Either end of it has signs that no other part of the record has.
    assert not [part for part in ("Xy7", "9-q", "k<&", "k&lt;") if part in line]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_what_an_exception_was_raised_from_none_of_is_not_told(form: str) -> None:
    stream = configured("debug", form)
    try:
        try:
            raise ValueError("of the library")
        except ValueError:
            raise KeyError("ours") from None
    except KeyError:
        log.exception("refused")
    assert "of the library" not in only_line(stream)


def test_a_number_that_is_a_secret_leaves_valid_json() -> None:
    with patch("receiver.redaction.known_values", return_value=frozenset({"271828"})):
        stream = configured(form="json")
        log.info("x", extra={"pin": 271828, "n": 3})
    line = only_object(stream)
    assert (line["pin"], line["n"]) == (REDACTED, 3)


def test_an_uncaught_exception_reaches_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured()
    logs.install_hooks()
    error = ValueError("password=s3cr3t")
    sys.excepthook(ValueError, error, None)
    assert f'err="ValueError: password={REDACTED}"' in only_line(stream)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("error", "told"), [(ValueError("boom"), 1), (SystemExit(), 0)])
def test_a_threads_uncaught_exception_reaches_the_log(error: BaseException, told: int) -> None:
    def fail() -> None:
        raise error

    stream = configured()
    logs.install_hooks()
    thread = threading.Thread(target=fail, name="writer")
    thread.start()
    thread.join()
    assert stream.getvalue().count("thread_name=writer") == told


def test_an_exception_that_can_not_be_raised_reaches_the_log() -> None:
    class Fails:
        def __del__(self) -> None:
            raise ValueError("boom")

    stream = configured()
    logs.install_hooks()
    Fails()
    assert 'msg="unraisable exception" err="ValueError: boom"' in only_line(stream)


async def test_a_callback_that_fails_in_the_loop_reaches_the_log() -> None:
    def fail() -> None:
        raise ValueError("password=s3cr3t")

    stream = configured()
    logs.install_hooks()
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0)
    line = only_line(stream)
    assert "level=error logger=asyncio" in line
    assert f'err="ValueError: password={REDACTED}"' in line


def test_a_warning_reaches_the_log() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.install_hooks()
        warnings.warn("old\u2028way", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)
    line = only_line(stream)
    assert "level=warn logger=py.warnings" in line
    assert r"DeprecationWarning: old\u2028way" in line
