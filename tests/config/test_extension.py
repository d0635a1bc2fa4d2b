"""A type of channel that another package brings is checked, read and shown like one of the house."""

import os
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from receiver.config import kinds, loading, schema
from receiver.config.destinations import BroughtDestination
from receiver.config.problems import ConfigError
from receiver.config.resolve import destinations, resolve
from receiver.config.types import CHANNEL_TYPES
from receiver.secret import Secret
from tests.extension import PUBLISHED, install

KEY = "the-key-of-the-teapot"
PAGER = "{name: oncall, type: pager, service: shop, api_key_env: KEY}"


@pytest.fixture(autouse=True)
def looked_through_anew() -> Iterator[None]:
    """What is installed for one test is not there for another."""
    for cached in (kinds.find, kinds._entries):
        cached.cache_clear()
    yield
    for cached in (kinds.find, kinds._entries):
        cached.cache_clear()


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """acme-pager is installed."""
    monkeypatch.syspath_prepend(str(PUBLISHED))


Install = Callable[[str, str, str], None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package on the path, beside the others."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return lambda package, entry, code: install(folder, package, entry, code)


def load(folder: Path, *channels: str, environ: dict[str, str] | None = None) -> loading.Loaded:
    file = folder / "alert-receiver.yml"
    file.write_text("channels:\n" + "".join(f"- {channel}\n" for channel in channels))
    return loading.load(file, {"KEY": KEY} if environ is None else environ)


def problems(folder: Path, *channels: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, *channels)
    return [str(problem).removeprefix(f"{folder}{os.sep}alert-receiver.yml:") for problem in caught.value.problems]


def destination(loaded: loading.Loaded) -> BroughtDestination:
    [found] = destinations(loaded.config)
    assert isinstance(found, BroughtDestination)
    return found


def own(found: BroughtDestination, key: str) -> object:
    """The value of a key that its package alone knows."""
    return getattr(found.settings, key)


@pytest.mark.usefixtures("acme")
def test_its_type_is_one_like_any_other(tmp_path: Path) -> None:
    loaded = load(tmp_path, PAGER[:-1] + ", group_wait: 3s}", "{name: shell, type: console}")
    assert [(channel.kind, channel.group_wait) for channel in resolve(loaded.config).channels] == [
        ("pager", 3_000),
        ("console", 10_000),
    ]
    oncall, _ = destinations(loaded.config)
    assert isinstance(oncall, BroughtDestination)
    assert (oncall.name, oncall.brought.package) == ("oncall", "acme-pager")


@pytest.mark.usefixtures("acme")
def test_everything_wrong_with_its_keys_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        "{name: a, type: pager, servize: shop, api_key: x}",
        "{name: b, type: pager, service: shop, url: gopher, matchers: ['nonsense']}",
        "{name: c, type: pager, service: [], api_key: x, api_key_file: y}",
        "{name: d, type: pager, service: shop, api_key_env: K, fallback: nobody}",
        "{name: e, type: pager, service: shop, api_key_env: KEY, url: gopher}",
    ) == [
        "2: channels[0].service: is missing; whose people are paged",
        '2: channels[0].servize: unknown key; did you mean "service"?',
        "3: channels[1].url: is not as it should be; where Acme takes pages, over https",
        "3: channels[1].matchers[0]: column 9: expected an operator: =, !=, =~ or !~, found the end",
        "3: channels[1].api_key: is missing; or give api_key_file or api_key_env",
        "4: channels[2].service: must be a text",
        "4: channels[2].api_key_file: is given beside api_key; exactly one of them says it",
        "5: channels[3].api_key_env: this environment variable is not set",
        "5: channels[3].fallback: no channel has this name; there are: a, b, c, e",
        "6: channels[4].url: is not as it should be; where Acme takes pages, over https",
    ]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("how", ["api_key: {key}", "api_key_env: KEY", "api_key_file: key"])
def test_its_secrets_may_be_given_in_three_ways_and_do_not_show(tmp_path: Path, how: str) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    loaded = load(tmp_path, f"{{name: oncall, type: pager, service: shop, {how.format(key=KEY)}}}")
    found = destination(loaded)
    assert own(found, "api_key") == Secret(KEY)
    assert KEY not in repr(loaded)
    assert KEY not in repr(found)
    assert list(loaded.secret_files) == ([tmp_path / "key"] if "file" in how else [])


@pytest.mark.usefixtures("acme")
def test_what_sends_nothing_needs_none_of_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "alert-receiver.yml"
    file.write_text("channels: [{name: oncall, type: pager, service: shop, api_key_file: nowhere}]")
    assert resolve(loading.load(file, None).config).channels[0].kind == "pager"


@pytest.mark.usefixtures("acme")
def test_only_what_is_its_own_makes_another_destination(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    found = destination(load(tmp_path, PAGER))
    same = "{name: oncall, type: pager, service: shop, api_key_file: key, group_wait: 1s, matchers: ['a=\"b\"']}"
    assert destination(load(tmp_path, same)) == found
    assert destination(load(tmp_path, PAGER, environ={"KEY": "another"})) != found
    assert destination(load(tmp_path, PAGER.replace("shop", "till"))) != found


@pytest.mark.usefixtures("acme")
def test_the_schema_has_its_keys_and_allows_what_loading_allows() -> None:
    generated = schema.generate()
    Draft202012Validator.check_schema(generated)
    sound = {"name": "oncall", "type": "pager", "service": "shop", "api_key_file": "key", "throttle": {"per": "1m"}}
    validator = Draft202012Validator(generated)
    assert validator.is_valid({"channels": [sound]})
    assert not validator.is_valid({"channels": [sound | {"servize": "shop"}]})
    assert not validator.is_valid({"channels": [sound | {"throttle": {"pre": "1m"}}]})
    own = generated["$defs"]["pager.PagerConfig"]
    assert own["description"] == "A pager of Acme."
    assert {"api_key", "api_key_file", "api_key_env", "group_wait"} <= set(own["properties"])
    assert "api_key" not in own["required"]
    assert all(value.get("description") or "$ref" in value for value in own["properties"].values())


@pytest.mark.usefixtures("acme")
def test_the_committed_schema_has_none_of_it() -> None:
    assert "pager" in str(schema.generate())
    assert "pager" not in schema.text()


@pytest.mark.usefixtures("acme")
def test_its_name_is_suggested(tmp_path: Path) -> None:
    assert problems(tmp_path, "{name: a, type: pagr}", "{name: b}") == [
        '2: channels[0].type: no such type of channel; did you mean "pager"?',
        "3: channels[1].type: is missing; one of slack, email, console, pager",
    ]


def test_installed_packages_are_not_looked_through_for_the_types_of_the_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def look(group: str) -> tuple[EntryPoint, ...]:
        looked.append(group)
        return ()

    monkeypatch.setattr(kinds, "entry_points", look)
    resolve(load(tmp_path, "{name: shell, type: console}").config)
    assert looked == []
    problems(tmp_path, "{name: a, type: pager}", "{name: b, type: pager}")
    assert looked == ["alert_receiver.channels"]


OTHER = """\
from receiver.extension import ChannelConfig, ChannelKind, Mistake, Secret
class Config(ChannelConfig, kw_only=True, frozen=True, tag={tag!r}):
    {key}
kind = ChannelKind(config=Config, channel={channel}, failures={failures}{more})
"""


def other(tag: str, key: str = "n: int = 3", more: str = "", channel: str = "print", failures: str = "{}") -> str:
    return OTHER.format(tag=tag, key=key, more=more, channel=channel, failures=failures)


def lacking(method: str) -> str:
    """A channel's class without this method."""
    return f"type('Horn', (), dict.fromkeys({sorted({'build', 'send', 'check', 'close'} - {method})}, print))"


FAILURES = "its failures must give for each reason two texts: what happened, and what to do"


@pytest.mark.parametrize(
    ("code", "why", "remedy"),
    [
        ("import no_such_module", "ModuleNotFoundError (no module no_such_module)", 'python -c "import {m}" says more'),
        ("raise RuntimeError('the-secret-teapot')", "RuntimeError", 'python -c "import {m}" says more'),
        ("raise SystemExit", "SystemExit", 'python -c "import {m}" says more'),
        ("def", "SyntaxError", 'python -c "import {m}" says more'),
        ("import os; os.nothing", "AttributeError", 'python -c "import {m}" says more'),
        ("", "{m} has no 'kind'", "tell its authors"),
        ("kind = 3", "its entry point leads to no ChannelKind", "tell its authors"),
        (
            other("horn"),
            "its config must say tag='whistle', of small letters, digits, _ and -",
            "tell its authors",
        ),
        (
            other("whistle").replace("config=Config", "config=int"),
            "its config is no subclass of ChannelConfig",
            "tell its authors",
        ),
        (other("whistle", "n: object"), "its keys have no JSON Schema (TypeError)", "tell its authors"),
        (other("whistle", "n: complex"), "its keys have no JSON Schema (TypeError)", "tell its authors"),
        (
            other("whistle", "key_file: Secret"),
            "its secret key_file needs a plain name, the same in the file, without _file or _env",
            "tell its authors",
        ),
        (other("whistle", "matchers: str"), "its key matchers is one that every channel has", "tell its authors"),
        (other("whistle", "name: int"), "its key name is one that every channel has", "tell its authors"),
        (other("whistle", "throttle: int = 3"), "its key throttle is one that every channel has", "tell its authors"),
        (other("whistle", channel="None"), "its channel can't be called", "tell its authors"),
        (other("whistle", more=", render='text'"), "its render can't be called", "tell its authors"),
        (other("whistle", more=", check=3"), "its check can't be called", "tell its authors"),
        *(
            (other("whistle", channel=lacking(method)), f"its channel has no {method}", "tell its authors")
            for method in ("build", "send", "check", "close")
        ),
        *(
            (other("whistle", failures=failures), FAILURES, "tell its authors")
            for failures in ("None", "['full']", "{'full': 'is full'}", "{'full': ('is full',)}", "{3: ('a', 'b')}")
        ),
    ],
)
def test_a_package_that_is_broken_is_a_problem_with_a_line_and_of_its_own_channel_alone(
    tmp_path: Path, installed: Install, code: str, why: str, remedy: str
) -> None:
    module = f"whistle_{abs(hash(code))}"
    installed("tin-whistle", f"whistle = {module}:kind", code)
    wrong = f"the package tin-whistle that brings this type can't be used: {why.format(m=module)}"
    assert problems(tmp_path, "{name: a, type: whistle, n: 3}", "{name: b, type: console, min_severity: x}") == [
        f"2: channels[0].type: {wrong}; {remedy.format(m=module)}",
        "3: channels[1].min_severity: is no severity level; there are: none, info, warning, error, critical, page",
    ]
    assert "whistle" not in schema.generate()["properties"]["channels"]["items"]["discriminator"]["mapping"]


def test_a_channel_may_be_a_class_or_made_by_a_function_and_a_failure_may_be_a_list(
    tmp_path: Path, installed: Install
) -> None:
    for name, channel in {"horn": lacking("nothing"), "bugle": "lambda config: None"}.items():
        installed(name, f"{name} = a_{name}:kind", other(name, channel=channel, failures="{'full': ['a', 'b']}"))
    load(tmp_path, "{name: a, type: horn}", "{name: b, type: bugle}")


@pytest.mark.parametrize("value", ["", "no module at all", "os.path:isabs"])
def test_a_package_without_sound_metadata_is_a_problem_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    about = tmp_path / "packages" / "tin_whistle-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "entry_points.txt").write_text(f"[alert_receiver.channels]\nwhistle = {value}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    [problem] = problems(tmp_path, "{name: a, type: whistle}")
    assert "that brings this type can't be used" in problem


def test_a_type_that_two_packages_bring_is_neithers(tmp_path: Path, installed: Install) -> None:
    installed("tin-whistle", "whistle = tin_whistle:kind", other("whistle"))
    installed("penny-whistle", "whistle = penny_whistle:kind", other("whistle"))
    wrong = "is brought by several packages: penny-whistle, tin-whistle; uninstall all but one"
    assert problems(tmp_path, "{name: a, type: whistle}") == [f"2: channels[0].type: {wrong}"]


@pytest.mark.parametrize("name", ["slack", "email", "console", "slack_bot"])
def test_a_package_can_not_replace_what_is_built_in(
    tmp_path: Path, installed: Install, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    installed("tin-whistle", f"{name} = tin_whistle:kind", other(name))
    problems(tmp_path, "{name: a, type: nonsense}")
    assert kinds.struct(name) is CHANNEL_TYPES.get(name)
    assert f"the package tin-whistle brings a channel type {name}, which is built in" in caplog.text


@pytest.mark.parametrize(
    ("check", "key", "told"),
    [
        ("lambda config: 1 / 0", "type", "the package horns-ltd that brings this type can't check it: Zero"),
        ("lambda config: [('n',)]", "type", "the package horns-ltd that brings this type can't check it: Type"),
        ("lambda config: exit()", "type", "the package horns-ltd that brings this type can't check it: System"),
        ("lambda config: [('n', 'is odd', 'give 4')]", "n", "is odd; give 4"),
        ("lambda config: [Mistake('key', 'is no key')]", "key_env", "is no key"),
    ],
)
def test_its_own_check_is_heeded_as_far_as_it_makes_sense(
    tmp_path: Path, installed: Install, check: str, key: str, told: str
) -> None:
    module = f"horn_{abs(hash(check))}"
    installed("horns-ltd", f"horn = {module}:kind", other("horn", "n: int; key: Secret", f", check={check}"))
    [problem] = problems(tmp_path, "{name: a, type: horn, n: 3, key_env: KEY}")
    assert problem.startswith(f"2: channels[0].{key}: {told}")


def test_its_own_check_is_spared_where_its_secret_is_unread(tmp_path: Path, installed: Install) -> None:
    code = other("horn", "key: Secret", ", check=lambda config: [] if config.key.reveal() else []")
    installed("horns-ltd", "horn = unread_horn:kind", code)
    load(tmp_path, "{name: a, type: horn, key_env: KEY}")
    assert loading.load(tmp_path / "alert-receiver.yml", None).config.channels[0].name == "a"


def test_what_only_its_own_type_refuses_is_told_as_well(tmp_path: Path, installed: Install) -> None:
    code = other("horn", "n: int = 3\n    def __post_init__(self): raise ValueError('the-secret-teapot')")
    installed("horns-ltd", "horn = strict_horn:kind", code)
    wrong = "is not as the package horns-ltd wants it that brings this type; see its documentation"
    assert problems(tmp_path, "{name: a, type: horn}") == [f"2: channels[0]: {wrong}"]


def test_keys_with_the_names_of_others_keys_are_its_own(tmp_path: Path, installed: Install) -> None:
    installed("horns-ltd", "horn = own_horn:kind", other("horn", "to: str = 'all'; token: str | None = None"))
    found = destination(load(tmp_path, "{name: a, type: horn, token: x}"))
    assert (own(found, "to"), own(found, "token")) == ("all", "x")
