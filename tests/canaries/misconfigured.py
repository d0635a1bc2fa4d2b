"""Configurations that can't be used, each with credentials where none belong."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tests.canaries.canary import Canaries


def _yaml(text: str) -> str:
    """The text in YAML's double quotes."""
    return json.dumps(text, ensure_ascii=False)


TOKEN = "name: admin, scopes: [admin], token_file: token"


def written(smtp: str = "", channel: str = "", mail: str = "", top: str = "", token: str = TOKEN) -> str:
    """A configuration in which all is well but for what is put there."""
    return f"""
smtp:
  host: 127.0.0.1
  security: none
  username: alerts
  password_file: password
  {smtp}
channels:
  - name: mail
    type: email
    to: [oncall@example.com]
    from: alerts@example.com
    {mail}
  - name: chat
    type: slack
    webhook_url_file: webhook
    {channel}
  - name: spare
    type: email
    to: [oncall@example.com]
    from: alerts@example.com
    password_file: digits
auth: {{tokens: [{{{token}}}]}}
{top}
"""


def _misplaced(secret: str) -> dict[str, str]:
    """The secret as the value of something else, and as a key."""
    quoted = _yaml(secret)
    return {
        "as a duration": written(top=f"defaults: {{group_wait: {quoted}, retry_for: [{quoted}]}}"),
        "as a number": written(smtp=f"port: {quoted}"),
        "as a choice": written(smtp=f"security: {quoted}", channel=f"type: {quoted}"),
        "under an unknown key": written(smtp=f"passwrod: {quoted}", channel=f"url: {quoted}"),
        "as a key": written(smtp=f"{quoted}: x", top=f"{quoted}: {{x: y}}"),
        "as a key of a list": written(top=f"defaults: {{throttle: {{{quoted}: 1}}}}"),
        "as an address": written(mail=f"cc: {quoted}", smtp=f"host: {quoted}").replace(
            "[oncall@example.com]", f"[{quoted}]"
        ),
        "as a sender": written().replace("from: alerts@example.com", f"from: {quoted}"),
        "as a matcher": written(channel=f"matchers: [{quoted}]", mail=f"urgent: [{quoted}]"),
        "as a regular expression": written(channel=f"matchers: [{_yaml('team=~' + json.dumps('(' + secret))}]"),
        "as a severity": written(channel=f"min_severity: {quoted}", top=f"severity: {{default: {quoted}}}"),
        "as a level": written(top=f"severity: {{levels: [{quoted}, {quoted}], aliases: {{{quoted}: {quoted}}}}}"),
        "as a mention": written(channel=f"mention: {{{quoted}: here}}"),
        "as a fallback": written(channel=f"fallback: {quoted}", top=f"notices: [{quoted}]"),
        "as a label": written(top=f"defaults: {{group_by: [{quoted}, '...']}}"),
        "as the name of a file": written(channel="").replace("file: password", f"file: {quoted}"),
        "as the name of a variable": written().replace("password_file: password", f"password_env: {quoted}"),
        "as the certificates": written(smtp=f"ca_file: {quoted}"),
        "twice": written(smtp=f"password: {quoted}"),
        "again": written(smtp=f"password: {quoted}\n  password: {quoted}"),
        "in the store's URL": written(top=f"storage: {{url: 'postgresql://u:{quote(secret, safe='')}@db/alerts'}}"),
        "as the store's file": written(top=f"storage: {{url: {_yaml('file:' + secret)}}}"),
        "as a list": written().replace("password_file: password", f"password: [{quoted}]"),
        "as a mapping": written().replace("password_file: password", f"password: {{{quoted}: {quoted}}}"),
        "as a time zone": written(
            top=f"reports: [{{name: r, at: {quoted}, timezone: {quoted}, channels: [{quoted}]}}]"
        ),
        "as a token's scope": written(token=f"name: t, token: {quoted}, scopes: [{quoted}]"),
        "as a token's name": written(token=f"name: {quoted}, token_file: {quoted}, scopes: []"),
        "among two tokens": written(token=f"{TOKEN}, source: {quoted}}}, {{{TOKEN}, source: {quoted}"),
    }


def _unreadable(secret: str) -> dict[str, str]:
    """The secret in a line that is no YAML."""
    return {
        "unquoted": written(smtp=f"password: {secret}"),
        "after a quote that is not closed": written(smtp=f'password: "{secret}'),
        "between quotes that end early": written(smtp=f"password: '{secret[:14]}'{secret[14:]}'"),
        "without a space after the colon": written(smtp=f"password:{secret}"),
        "without a space, in braces": written(top=f"defaults: {{password:{secret[:5]}}}"),
        "with a tag": written(smtp=f"password: !{secret}"),
        "with an alias": written(smtp=f"password: *{secret}"),
        "with an anchor": written(smtp=f"password: &{secret} x"),
        "with a directive": f"%{secret}\n{written()}",
        "with a control character": written(smtp=f"password: \x07{secret}"),
        "as the whole file": secret,
        "after a tab": written(smtp=f"\tpassword: {secret}"),
        "with a wrong escape": written(smtp=f'password: "\\y{secret}"'),
        "in a block": written(smtp=f"password: |{secret}\n    {secret}"),
    }


def files(canaries: Canaries, folder: Path) -> dict[str, Path]:
    """All of them as files in the folder, by what is wrong with them, beside the credentials that they name rightly."""
    canaries.keep(folder)
    texts: dict[str, str] = {}
    places: tuple[Callable[[str], dict[str, str]], ...] = (_misplaced, _unreadable)
    for canary in (canaries.password, canaries.webhook, canaries.digits, canaries.token):
        value = canaries.url if canary is canaries.webhook else canary.value
        for place in places:
            texts |= {f"{canary.name} {name}": text for name, text in place(value).items()}
    texts["a folder in place of the password"] = written().replace("file: password", "file: .")
    found = {}
    for number, (name, text) in enumerate(texts.items()):
        found[name] = folder / f"broken-{number}.yml"
        found[name].write_text(text)
    return found
