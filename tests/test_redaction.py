"""No spelling of a known secret, and nothing that looks like a credential, stays in a text."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from string import ascii_letters, digits
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from receiver.redaction import REDACTED, remove, scrub
from receiver.secret import Secret

WEBHOOK = "https://hooks.slack.com/services/T024BE7LH/B05AAAAAAAA/qWeRtYuIoP123"  # made up


def lower_hex(text: str) -> str:
    """Percent-encoded by somebody who prefers lower-case digits."""
    return "".join(f"%{octet:02x}" if octet < 48 or octet > 122 else chr(octet) for octet in text.encode())


def go_json(text: str) -> str:
    """JSON as Go's encoder writes it."""
    return json.dumps(text)[1:-1].replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


ENCODERS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent, everything": lambda text: quote(text, safe=""),
    "percent, a path": quote,
    "percent, a form": quote_plus,
    "percent, lower-case": lower_hex,
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON, ASCII": lambda text: json.dumps(text)[1:-1],
    "JSON, UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, Go": go_json,
    "JSON, slashes": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "HTML": html.escape,
    "HTML, Jinja": lambda text: str(escape(text)),
    "HTML, decimal": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    "HTML, twice": lambda text: html.escape(html.escape(text)),
    "XML attribute": lambda text: quoteattr(text)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "repr, ASCII": lambda text: ascii(text)[1:-1],
    "repr, bytes": lambda text: repr(text.encode())[2:-1],
    "repr in JSON": lambda text: json.dumps(repr(text))[1:-1],
    "repr in repr": lambda text: repr(repr(text))[1:-1],
}
# Of what a text is made of; letters and digits alone would prove little, and any character alone takes long to hit.
AWKWARD = st.sampled_from("aZ09 \\\\\\\"''/:@%&+<>=?#;~-_.\n\t\r\x00\x1b\x7fé\u00a0\u2028温🔥")


def alive(secret: str) -> bool:
    """Whether the secret is long enough to be looked for everywhere, and no part of the placeholder."""
    return len(secret.strip()) >= 4 and not any(part in REDACTED for part in (secret, secret.strip()))


SECRETS = (st.text(AWKWARD, min_size=4, max_size=24) | st.text(min_size=4, max_size=24)).filter(alive)
CONTEXT = st.text(AWKWARD, max_size=8) | st.sampled_from(["url=https://u:", 'msg="', "&amp;", "%25", "\\" * 7])


@given(SECRETS, st.sampled_from(sorted(ENCODERS)), CONTEXT, CONTEXT)
@example("a\\\\\\b", "JSON in JSON", "\\\\", "\\")
@example("\\\\\\\\", "repr in repr", "\\", "\\\\")
def test_a_known_secret_is_found_in_every_spelling(secret: str, encoder: str, before: str, after: str) -> None:
    spelled = ENCODERS[encoder](secret.strip())
    text = remove(before + spelled + after, frozenset({secret}))
    assert REDACTED in text
    assert spelled not in text.replace(REDACTED, "\0")


@given(SECRETS, st.binary(max_size=8), st.binary(max_size=5), st.sampled_from([b64encode, urlsafe_b64encode]))
@example("s3cret+/", b"user:", b"", b64encode)
@example("000温", bytes(5), b"", b64encode)
def test_a_known_secret_is_found_in_base64_at_every_offset(
    secret: str, before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    text = remove(encode(before + secret.strip().encode() + after).decode(), frozenset({secret}))
    assert REDACTED in text
    # What is left holds no more characters than its neighbours' own encodings take.
    left = text.replace(REDACTED, "").rstrip("=")
    assert len(left) <= len(b64encode(before).rstrip(b"=")) + len(b64encode(after).rstrip(b"="))


def test_a_password_is_found_in_basic_auth_that_was_encoded_as_latin_1() -> None:
    text = remove(b64encode("alerts:größe1".encode("latin-1")).decode(), frozenset({"größe1"}))
    assert text.endswith(REDACTED)


def test_base64_is_found_when_it_was_percent_encoded() -> None:
    encoded = quote(b64encode(b"user:>>>???~~~").decode(), safe="")
    assert quote(b64encode(b">>>???")[4:].decode(), safe="") not in remove(encoded, frozenset({">>>???~~~"}))


@given(st.sets(SECRETS, min_size=2, max_size=5), st.sampled_from(sorted(ENCODERS)))
def test_several_secrets_are_all_found(secrets: set[str], encoder: str) -> None:
    spelled = [ENCODERS[encoder](secret.strip()) for secret in secrets]
    text = remove(" | ".join(spelled), frozenset(secrets))
    assert not any(one in text.replace(REDACTED, "\0") for one in spelled)


def test_of_two_secrets_that_begin_alike_the_longer_goes_whole() -> None:
    assert remove("correct-horse", frozenset({"correct", "correct-horse"})) == REDACTED


@pytest.mark.parametrize("part", ["T024BE7LH", "B05AAAAAAAA", "qWeRtYuIoP123", WEBHOOK, quote(WEBHOOK, safe="")])
def test_a_webhook_urls_segments_are_secrets_too(part: str) -> None:
    assert part not in remove(f"POST /services/{part} failed", frozenset({WEBHOOK}))


def test_a_webhook_urls_ordinary_words_stay() -> None:
    assert remove("https services started", frozenset({WEBHOOK})) == "https services started"


def test_the_password_in_a_url_is_a_secret_too() -> None:
    text = remove("login failed: p@ss/w", frozenset({"postgresql://u:p%40ss%2Fw@db/alerts"}))
    assert text == f"login failed: {REDACTED}"


def test_a_short_secret_goes_where_it_stands_alone_only() -> None:
    text = remove('pw="abc" abc: abcd xabc a%abc \\abc YWJj', frozenset({"abc"}))
    assert text == f'pw="{REDACTED}" {REDACTED}: abcd xabc a%abc \\abc YWJj'


# Mostly letters and digits: what a dozen backslashes say of a password is little, and not looked for.
LONG_SECRETS = st.text(st.sampled_from(f"{ascii_letters}{digits}%&<>\"'\\+/ =?:@é温🔥"), min_size=14, max_size=46).map(
    "k{}Z".format
)


@given(LONG_SECRETS, st.integers(0, 36), st.integers(12, 30), st.sampled_from(sorted(ENCODERS)), CONTEXT, CONTEXT)
def test_a_part_of_a_secret_is_found_in_every_spelling(
    secret: str, start: int, length: int, encoder: str, before: str, after: str
) -> None:
    part = secret[max(0, min(start, len(secret) - length)) :][:length]
    text = remove(f"{before} {ENCODERS[encoder](part)} {after}", frozenset({secret}))
    assert REDACTED in text
    left = text.replace(REDACTED, "\0")
    windows = [part[at : at + 12] for at in range(len(part) - 11)]
    assert not [window for window in windows if window in left or ENCODERS[encoder](window) in left]


@given(LONG_SECRETS, st.integers(16, 36), st.sampled_from([b64encode, urlsafe_b64encode]))
def test_a_part_of_a_secrets_base64_is_found(secret: str, length: int, encode: Callable[[bytes], bytes]) -> None:
    encoded = encode(b"user:" + secret.encode())[8:].decode()
    assert encoded[:length] not in remove(f"535 got {encoded[:length]}", frozenset({secret}))


def test_a_password_cut_short_does_not_stay() -> None:
    text = remove("in the log: Tr0ub4dor&3-Tr0", frozenset({"xx-Tr0ub4dor&3-Tr0mb0ne"}))
    assert text == f"in the log: {REDACTED}"


def test_what_a_part_shares_with_ordinary_words_stays_while_it_is_short() -> None:
    text = "the password horse stays, so does https://hooks.example.com/services/ and battery"
    assert remove(text, frozenset({"correct horse battery staple", WEBHOOK})) == text


@pytest.mark.parametrize(
    ("url", "part"),
    [
        (WEBHOOK, "AAAAAAA/qWeRtYu"),
        (WEBHOOK, quote("7LH/B05AAAAA", safe="")),
        ("https://chat.example.com/hooks/xyz?key=abcDEF123456789", "abcDEF123456"),
        ("postgresql://u:p%40ss%2Fword-of-the-db@db/alerts", "p@ss/word-of"),
    ],
)
def test_part_of_what_is_secret_in_a_url_is_found(url: str, part: str) -> None:
    assert remove(f"at {part}", frozenset({url})) == f"at {REDACTED}"


@pytest.mark.parametrize(
    "url", ["https://ho\nst/abc\tdefghijklmnop", "http:///?", "https://[::1", "http://x//y?z#", "https:"]
)
def test_an_odd_url_is_a_secret_as_any_other(url: str) -> None:
    assert url not in remove(f"at {url} it is", frozenset({url}))


def test_parts_that_overlap_go_together() -> None:
    secrets = frozenset({"abcdefghijklmnop-1", "ghijklmnopqrstuvw-2"})
    assert remove("x abcdefghijklmnopqrstuv y", secrets).replace(REDACTED, "") == "x  y"


def test_white_space_around_a_secret_is_not_part_of_it() -> None:
    assert remove("token-1 ok", frozenset({"token-1\n", " \n"})) == f"{REDACTED} ok"


def test_a_value_that_only_looks_like_a_url_is_a_secret_as_any_other() -> None:
    assert remove("x http://[broken y", frozenset({"http://[broken"})) == f"x {REDACTED} y"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at https://hooks.slack.com/services/T1/B2/c3: no", "at https://hooks.slack.com/<secret> no"),
        (r"https:\/\/hooks.slack.com\/services\/T1\/B2\/c3", r"https:\/\/hooks.slack.com\/<secret>"),
        ("https%3A%2F%2Fhooks.slack.com%2Fservices%2FT1", "https%3A%2F%2Fhooks.slack.com%2F<secret>"),
        ("https://hooks.slack-gov.com:443/triggers/T1", "https://hooks.slack-gov.com:443/<secret>"),
        ("token xoxb-1234-abcDEF, xoxe.xoxp-1-ab", "token <secret>, <secret>"),
        ("Authorization: Basic YWJj", "Authorization: Basic <secret>"),
        ("{'Authorization': 'Bearer a.b-c'}", "{'Authorization': 'Bearer <secret>'}"),
        ("(b'authorization', b'Basic YQ==')", "(b'authorization', b'Basic <secret>')"),
        (r"{\"Authorization\":\"Bearer abc\"}", r"{\"Authorization\":\"Bearer <secret>\"}"),
        ("smtp://user:pa:ss@mail.example.com", "smtp://user:<secret>@mail.example.com"),
        ("redis://:pass@host", "redis://:<secret>@host"),
        ("a?password=abc&x=1", "a?password=<secret>&x=1"),
        ("PASSWORD='a b' x", "PASSWORD='<secret>' x"),
        (r'{"password": "a\"b", "x": 1}', '{"password": "<secret>", "x": 1}'),
        (r'msg="password=\"a\\\"b\" x"', r'msg="password=\"<secret>\" x"'),
        (r"msg=\"smtp_password=\\\"a b\\\"\"", r"msg=\"smtp_password=\\\"<secret>\\\"\""),
        ("smtp.password:hunter2: unknown key", "smtp.password:<secret> unknown key"),
        ("[0].webhook_url:https://x/y: unknown key", "[0].webhook_url:<secret> unknown key"),
        ("api_key=abc, token=def", "api_key=<secret>, token=<secret>"),
    ],
)
def test_what_looks_like_a_credential_goes_unknown_or_not(text: str, left: str) -> None:
    assert remove(text, frozenset()) == left


@pytest.mark.parametrize(
    "text",
    [
        "cannot connect to hooks.slack.com:443",
        "channels[0].password: expected string",
        "channels[0].webhook_url: is no https URL",
        "can't connect to secret:8080",
        "password_file=/run/secrets/smtp-password tokens=3",
        "http://alertmanager:9093/#/alerts?receiver=a@b",
        "authorization failed, basic checks passed",
        "ts=2026-11-21T05:35:12.123Z level=info msg=started",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert remove(text, frozenset({"s3cr3t-value", WEBHOOK})) == text


def test_every_value_that_was_ever_wrapped_is_scrubbed() -> None:
    Secret("wrapped-once-Xy7")
    assert "wrapped-once-Xy7" not in scrub("now wrapped-once-Xy7 is rotated")


@pytest.mark.parametrize(
    "hostile",
    [
        "\\" * 60_000,
        "a" * 60_000,
        "://a:" * 12_000,
        'password="' * 6_000,
        "&amp;" * 12_000,
        "%25" * 20_000,
        '"\\' * 30_000,
    ],
)
def test_hostile_text_is_scrubbed_in_bounded_steps(hostile: str) -> None:
    # Quadratic, each of these would take minutes, which the time limit of the whole run would show.
    values = {"\\\\\\a\\b", "&&&&", "%%%%", '""""', "\\\\\\\\\\\\x", "a" * 5_000, "&amp;" * 1_000, "://a:" * 1_000}
    remove(hostile, frozenset(values))
