"""Tokens: where their values come from, how many there may be, and what their author should know."""

from pathlib import Path

import pytest

from receiver.access import Scope
from receiver.config import loading
from receiver.config.problems import ConfigError
from receiver.config.tokens import tokens
from receiver.redaction import REDACTED, scrub
from receiver.secret import Secret, known_values

CHANNELS = "channels: [{name: c, type: console}]\n"
NEW, OLD, OLDER = "new-token-0123456789", "old-token-0123456789", "older-token-01234567"
VARIABLES = {"NEW": NEW, "BOTH": f"{NEW}\n{OLD}", "THREE": f"{NEW}\n{OLD}\n{OLDER}", "SHORT": f"{NEW}\ntok123"}


def load(folder: Path, *written: str, environ: dict[str, str] | None = VARIABLES) -> loading.Loaded:
    """Load a configuration with these tokens."""
    file = folder / "alert-receiver.yml"
    file.write_text(CHANNELS + "auth:\n  tokens:\n" + "".join(f"  - {{{one}}}\n" for one in written))
    return loading.load(file, environ)


def problems(folder: Path, *written: str) -> list[str]:
    """What is wrong with these tokens; no value of them is in it."""
    with pytest.raises(ConfigError) as failed:
        load(folder, *written)
    told = [f"{problem.path}: {problem.wrong}; {problem.right}" for problem in failed.value.problems]
    assert not any(value in problem for problem in told for value in (NEW, OLD, OLDER))
    return told


def warnings(folder: Path, *written: str) -> list[str]:
    return [f"{warning.path}: {warning.wrong}; {warning.right}" for warning in load(folder, *written).warnings]


@pytest.mark.parametrize(
    "written",
    [
        f'token: "{NEW}\\n{OLD}"',
        f'token: "{NEW}\\r\\n{OLD}\\r\\n"',
        f'token: "\\n {NEW} \\n\\n{OLD}\\n{NEW}\\n\\n"',
        "token_env: BOTH",
        "token_file: both",
    ],
)
def test_two_lines_are_two_tokens(tmp_path: Path, written: str) -> None:
    (tmp_path / "both").write_text(f"{NEW}\n{OLD}\n")
    loaded = load(tmp_path, f"name: am, {written}, scopes: [webhook, read], source: prod")
    [token] = tokens(loaded.config)
    assert token.values == (Secret(NEW), Secret(OLD))
    assert (token.name, token.source) == ("am", "prod")
    assert token.scopes == {Scope.WEBHOOK, Scope.READ}
    assert loaded.warnings == ()
    # A changed file is noticed.
    assert [file.name for file in loaded.secret_files] == (["both"] if "file" in written else [])


def test_each_line_is_kept_out_of_the_log(tmp_path: Path) -> None:
    old = "the-second-line-of-it"
    load(tmp_path, f'name: am, token: "the-first-line-of-it\\n{old}", scopes: [webhook, read]')
    assert {"the-first-line-of-it", old} <= known_values()
    assert scrub(f"got {old}.") == f"got {REDACTED}."


def test_who_may_change_things_may_look_and_nothing_else_comes_with_it(tmp_path: Path) -> None:
    loaded = load(tmp_path, "name: a, token_env: NEW, scopes: [admin]")
    [token] = tokens(loaded.config)
    assert token.scopes == {Scope.ADMIN, Scope.READ}
    assert token.source == "default"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("token_env: THREE", "auth.tokens[0].token_env: holds more than two lines; the new token and"),
        (f'token: "{NEW}\\n{OLD}\\n{OLDER}"', "auth.tokens[0].token: holds more than two lines"),
        ("token_file: three", "auth.tokens[0].token_file: holds more than two lines"),
        ("token_file: blank", "auth.tokens[0].token_file: holds no token, but blank lines only; make one by: openssl"),
        ("token_file: missing", "auth.tokens[0].token_file: can't read this file in the folder "),
        ('token: "   "', "auth.tokens[0].token: holds no token"),
        (f'token: "{NEW} {OLD}"', "auth.tokens[0].token: holds a character that no header carries"),
        (f'token: "{NEW}ü"', "auth.tokens[0].token: holds a character that no header carries"),
        (f"token: {NEW}, token_env: BOTH", "auth.tokens[0].token_env: is given beside token"),
        ("token_env: NEW, source: ''", "auth.tokens[0].source: must be visible ASCII without spaces, at least one"),
        ('token: "new-token-\\x1c-0123456789"', "auth.tokens[0].token: holds a character that no header carries"),
        ("token_env: NEW, source: 'a b'", "auth.tokens[0].source: must be visible ASCII without spaces, at least one"),
        ('token_env: NEW, source: "a\\n"', "auth.tokens[0].source: must be visible ASCII without spaces, at least one"),
        (
            'token_env: NEW, source: "\\ud800"',
            "auth.tokens[0].source: must be visible ASCII without spaces, at least one",
        ),
    ],
)
def test_each_mistake_is_told_where_it_is(tmp_path: Path, written: str, told: str) -> None:
    (tmp_path / "three").write_text(f"{NEW}\n{OLD}\n{OLDER}\n")
    (tmp_path / "blank").write_text("\n \n\n")
    [problem] = problems(tmp_path, f"name: a, {written}, scopes: [webhook, read]")
    assert problem.startswith(told)


def test_two_tokens_with_a_value_in_common_are_a_mistake(tmp_path: Path) -> None:
    [problem] = problems(
        tmp_path,
        "name: am, token_env: BOTH, scopes: [webhook]",
        f"name: prometheus, token: {OLD}, scopes: [read]",
    )
    assert problem.startswith('auth.tokens[1].token: holds a value that the token "am" has too; make one by: openssl')


def test_tokens_may_share_their_source_and_scopes(tmp_path: Path) -> None:
    one, other = (
        f"name: am-{n}, token: token-of-peer-{n}-00001, scopes: [webhook, read], source: prod" for n in (1, 2)
    )
    assert warnings(tmp_path, one, other) == []


@pytest.mark.parametrize(("text", "short"), [("0123456789abcde", True), ("0123456789abcdef", False)])
def test_a_short_token_is_warned_of(tmp_path: Path, text: str, short: bool) -> None:
    told = warnings(tmp_path, f"name: a, token: {text}, scopes: [webhook, read]")
    expected = "auth.tokens[0].token: is shorter than 16 characters; make one by: openssl rand -hex 32"
    assert told == ([expected] if short else [])


def test_a_short_old_token_is_warned_of_where_it_comes_from(tmp_path: Path) -> None:
    [told] = warnings(tmp_path, "name: a, token_env: SHORT, scopes: [webhook, read]")
    assert told.startswith("auth.tokens[0].token_env: is shorter")


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        ("webhook", ["nobody can scrape /metrics; give Prometheus one, and name its file in authorization."]),
        ("read", ["nobody can send notifications; give Alertmanager one, and name its file in http_config."]),
        ("admin", ["nobody can send notifications"]),
        ("webhook, admin", []),
        ("webhook, read", []),
    ],
)
def test_a_scope_that_nobody_has_is_warned_of(tmp_path: Path, scopes: str, told: list[str]) -> None:
    warned = warnings(tmp_path, f"name: a, token_env: NEW, scopes: [{scopes}]")
    assert len(warned) == len(told)
    assert all(words in warning for words, warning in zip(told, warned, strict=True))


@pytest.mark.parametrize("section", ["auth: {}", "auth: {tokens: []}"])
def test_authentication_without_a_token_is_warned_of(tmp_path: Path, section: str) -> None:
    file = tmp_path / "alert-receiver.yml"
    file.write_text(CHANNELS + section)
    [warning] = loading.load(file, {}).warnings
    assert "whoever reaches the port may send alerts" in warning.wrong
    file.write_text(CHANNELS)
    assert loading.load(file, {}).warnings == ()


def test_what_sends_nothing_reads_no_token(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "name: a, token_file: missing, scopes: [webhook]",
        "name: b, token_env: MISSING, scopes: [read]",
        environ=None,
    )
    assert [token.values for token in tokens(loaded.config)] == [(), ()]
    assert loaded.warnings == ()
