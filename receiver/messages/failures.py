"""Why a delivery failed, in words for people, and what they can do about it.

What a provider wrote is a stranger's text and not at hand here: there is a reason, which is ours, and perhaps a code.
"""

from collections.abc import Mapping

_EMAIL = {
    "address_invalid": "a mail address is not one that SMTP can carry",
    "auth_failed": "the mail server refused the username or password",
    "auth_not_offered": "the mail server offers no login",
    "auth_required": "the mail server wants a login or encryption first",
    "ca_file_unreadable": "the file of certificate authorities can't be read",
    "certificate_invalid": "the mail server's certificate can't be trusted",
    "connection_failed": "the mail server can't be reached",
    "connection_lost": "the connection to the mail server broke off",
    "connection_refused": "the mail server refused the connection",
    "credentials_unencrypted": "the password would have gone over the network unencrypted",
    "data_refused": "the mail server refused the mail itself",
    "greeting_refused": "the mail server turned the receiver away",
    "internal_error": "a defect in the receiver got in the way",
    "invalid_reply": "what answered does not speak SMTP",
    "mailbox_full": "a recipient's mailbox is full",
    "name_not_resolved": "the mail server's name was not found",
    "quota_exceeded": "the mail server's limit for this sender is used up",
    "recipients_refused": "the mail server accepted none of the recipients",
    "relay_denied": "the mail server passes on no mail for this sender or machine",
    "sender_refused": "the mail server refused the sender's address",
    "smtp_error": "the conversation with the mail server went wrong",
    "starttls_not_offered": "the mail server offers no encryption (STARTTLS)",
    "starttls_refused": "the mail server refused to begin encryption (STARTTLS)",
    "timeout": "the mail server did not answer in time",
    "tls_failed": "no encrypted connection to the mail server came about",
}

_EMAIL_ADVICE = {
    "address_invalid": 'check "from" and "to"',
    "auth_failed": 'check "username" and the password (or its _file or _env), with some providers an app password',
    "auth_not_offered": 'check "port" and "security", or leave "username" and the password out',
    "auth_required": 'give "username" and a password, and set "security" to "starttls" or "tls"',
    "ca_file_unreadable": 'check that "ca_file" is there, may be read by the receiver, and is in PEM form',
    "certificate_invalid": 'check its dates, that it is for the name in "host", and that "ca_file" holds its authority',
    "connection_failed": 'check "host" and "port", this machine\'s network, and that a firewall lets the receiver out',
    "connection_lost": 'if it happens again, check "port" and "security", and look in the mail server\'s log',
    "connection_refused": 'check "host" and "port", that the server runs, and that a firewall lets the receiver out',
    "credentials_unencrypted": 'set "security" to "starttls" or "tls"',
    "data_refused": "look in the mail server's log for the reason: a filter, perhaps, or a limit",
    "greeting_refused": "check that the mail server takes connections from this machine, and that no blocklist has it",
    "internal_error": "look in the receiver's log, and report it",
    "invalid_reply": 'check "host", "port" and "security": something else may listen there',
    "mailbox_full": 'make room in it, or take the address out of "to"',
    "name_not_resolved": 'check "host" for a typing error, and that this machine\'s DNS works',
    "quota_exceeded": 'wait until it is renewed, have it raised, or lower "throttle"',
    "recipients_refused": 'check the addresses in "to" (a temporary refusal may be greylisting, over in some minutes)',
    "relay_denied": 'give "username" and a password, or have the mail server relay for this machine',
    "sender_refused": 'check "from": the mail server must let this account send as that address',
    "smtp_error": 'check "host" and "port", and look in the mail server\'s log',
    "starttls_not_offered": 'check "port" and "security": as a rule 587 is for "starttls" and 465 for "tls"',
    "starttls_refused": 'look in the mail server\'s log, or try "security: tls" with its port (465 as a rule)',
    "timeout": 'check "host" and "port", and that a firewall lets the receiver out, or raise "timeout"',
    "tls_failed": 'check "port" and "security": as a rule 587 is for "starttls" and 465 for "tls"',
}

_SLACK = {
    "action_prohibited": "the Slack workspace does not let the webhook post there",
    "certificate_invalid": "the certificate at the webhook's address can't be trusted",
    "channel_is_archived": "the webhook's Slack channel is archived",
    "channel_not_found": "the webhook's Slack channel does not exist",
    "connection_failed": "Slack can't be reached",
    "connection_lost": "the connection to Slack broke off",
    "connection_refused": "Slack's address refused the connection",
    "http_error": "the webhook's address answered with an error",
    "internal_error": "a defect in the receiver got in the way",
    "invalid_attachments": "Slack refused the message's attachments",
    "invalid_blocks": "Slack refused the message's layout",
    "invalid_blocks_format": "Slack could not read the message's layout",
    "invalid_payload": "Slack could not read the message",
    "invalid_reply": "what answered does not speak HTTP",
    "invalid_token": "Slack refused the webhook's token",
    "message_limit_exceeded": "the Slack workspace has reached its limit of messages",
    "missing_text_or_fallback_or_attachments": "Slack found no text in the message",
    "msg_blocks_too_long": "the message is too long for Slack",
    "msg_too_long": "the message is too long for Slack",
    "name_not_resolved": "Slack's name was not found",
    "no_active_hooks": "the webhook is switched off in Slack",
    "no_service": "Slack knows no such webhook",
    "no_service_id": "the webhook's URL is not complete",
    "no_team": "Slack knows no such workspace",
    "no_text": "Slack found no text in the message",
    "posting_to_general_channel_denied": "the webhook may not post to the workspace's general channel",
    "rate_limited": "Slack asks for fewer messages",
    "rollup_error": "Slack has trouble of its own",
    "team_disabled": "the Slack workspace is switched off",
    "timeout": "Slack did not answer in time",
    "tls_failed": "no encrypted connection to Slack came about",
    "too_many_attachments": "the message has too many attachments for Slack",
    "unexpected_body": "what answered at the webhook's address is not Slack",
    "url_invalid": "the webhook's address is no URL",
    "user_not_found": "the user whom the webhook writes to does not exist",
}

_NEW_WEBHOOK = "make a new webhook in Slack"
_OUR_MESSAGE = "report it: the receiver should not have sent such a message"
_PASSES = "wait a while (slack-status.com tells of Slack's own trouble)"
_WAY_OUT = "check this machine's network and DNS, and that a firewall lets the receiver out to the webhook's address"
_CHECK_URL = "check the webhook's URL (webhook_url, or its _file or _env)"
_IN_BETWEEN = f"{_CHECK_URL}, and that no proxy answers in its place"

_SLACK_ADVICE = {
    "action_prohibited": "ask the workspace's administrators to allow it",
    "certificate_invalid": "check this machine's clock and authorities (ca-certificates), and for a proxy in between",
    "channel_is_archived": f"unarchive it, or {_NEW_WEBHOOK}",
    "channel_not_found": _NEW_WEBHOOK,
    "connection_failed": _WAY_OUT,
    "connection_lost": f"{_WAY_OUT}, or {_PASSES}",
    "connection_refused": _WAY_OUT,
    "http_error": f"{_IN_BETWEEN}, or {_PASSES}",
    "internal_error": "look in the receiver's log, and report it",
    "invalid_attachments": _OUR_MESSAGE,
    "invalid_blocks": _OUR_MESSAGE,
    "invalid_blocks_format": _OUR_MESSAGE,
    "invalid_payload": _OUR_MESSAGE,
    "invalid_reply": _IN_BETWEEN,
    "invalid_token": f"{_CHECK_URL}, or {_NEW_WEBHOOK}",
    "message_limit_exceeded": "wait a while, or raise the limit in Slack",
    "missing_text_or_fallback_or_attachments": _OUR_MESSAGE,
    "msg_blocks_too_long": _OUR_MESSAGE,
    "msg_too_long": _OUR_MESSAGE,
    "name_not_resolved": _WAY_OUT,
    "no_active_hooks": f"switch it on again, or {_NEW_WEBHOOK}",
    "no_service": f"{_CHECK_URL}, or {_NEW_WEBHOOK} if it was removed",
    "no_service_id": f"{_CHECK_URL}, or {_NEW_WEBHOOK}",
    "no_team": f"{_CHECK_URL}, or {_NEW_WEBHOOK}",
    "no_text": _OUR_MESSAGE,
    "posting_to_general_channel_denied": "ask the workspace's administrators, or make a webhook for another channel",
    "rate_limited": 'wait a minute, and lower "throttle" if it comes often',
    "rollup_error": _PASSES,
    "team_disabled": "ask the workspace's administrators",
    "timeout": f"{_WAY_OUT}, or {_PASSES}",
    "tls_failed": _IN_BETWEEN,
    "too_many_attachments": _OUR_MESSAGE,
    "unexpected_body": _IN_BETWEEN,
    "url_invalid": _CHECK_URL,
    "user_not_found": _NEW_WEBHOOK,
}

_SLACK_BOT = {
    "access_denied": "the Slack workspace does not let the bot in",
    "accesslimited": "the Slack workspace does not let the bot in from this network",
    "account_inactive": "the bot's Slack app or its workspace is gone",
    "certificate_invalid": "the certificate at Slack's address can't be trusted",
    "channel_not_found": "Slack knows no such channel, or the bot does not see it",
    "connection_failed": "Slack can't be reached",
    "connection_lost": "the connection to Slack broke off",
    "connection_refused": "Slack's address refused the connection",
    "ekm_access_denied": "the Slack workspace has suspended all posting",
    "enterprise_is_restricted": "the Slack organization does not let the bot in",
    "external_channel_migrating": "the Slack channel is moving between workspaces",
    "fatal_error": "Slack has trouble of its own",
    "foreign_payload": "the message was made for another kind of channel",
    "http_error": "Slack's address answered with an error",
    "internal_error": "a defect in the receiver got in the way",
    "invalid_arguments": "Slack could not read the message",
    "invalid_attachments": "Slack refused the message's attachments",
    "invalid_auth": "Slack refused the bot's token",
    "invalid_blocks": "Slack refused the message's layout",
    "invalid_blocks_format": "Slack could not read the message's layout",
    "invalid_reply": "what answered does not speak HTTP",
    "is_archived": "the Slack channel is archived",
    "message_limit_exceeded": "the Slack workspace has reached its limit of messages",
    "messages_tab_disabled": "the bot's Slack app takes no direct messages",
    "method_deprecated": "Slack has given up the way in which the receiver posts",
    "missing_scope": "the bot's Slack app was not given the scope chat:write",
    "msg_blocks_too_long": "the message is too long for Slack",
    "msg_too_long": "the message is too long for Slack",
    "name_not_resolved": "Slack's name was not found",
    "no_permission": "the bot may not write to the Slack channel",
    "no_text": "Slack found no text in the message",
    "not_allowed_token_type": "the token is not one of a Slack bot",
    "not_authed": "the bot's token did not get to Slack",
    "not_in_channel": "the bot is not a member of the Slack channel",
    "org_login_required": "the Slack workspace is moving to an organization",
    "rate_limited": "Slack asks for fewer messages",
    "request_timeout": "the message did not get to Slack as a whole",
    "restricted_action": "the Slack workspace does not let the bot post there",
    "restricted_action_read_only_channel": "the Slack channel is read-only",
    "restricted_action_thread_only_channel": "the Slack channel takes only replies",
    "service_unavailable": "Slack has trouble of its own",
    "team_access_not_granted": "the bot's token is not for this Slack workspace",
    "team_added_to_org": "the Slack workspace is moving to an organization",
    "timeout": "Slack did not answer in time",
    "tls_failed": "no encrypted connection to Slack came about",
    "token_expired": "the bot's token has expired",
    "token_malformed": "the bot's token holds what no token does",
    "token_revoked": "the bot's token was revoked",
    "too_many_attachments": "the message has too many attachments for Slack",
    "two_factor_setup_required": "the Slack workspace asks for two-factor authentication",
    "unexpected_body": "what answered at Slack's address is not Slack",
    "unknown_error": "Slack refused the message in a word that is new",
    "unknown_method": "what answered has no such method of Slack's Web API",
    "update_failed": "Slack could not edit the thread's first message",
    "url_invalid": "the Web API's address is no URL",
}

_BOT_WAY_OUT = "check this machine's network and DNS, and that a firewall lets the receiver out to Slack"
_CHECK_API = 'check "api_url" if you have set it, and that no proxy answers in Slack\'s place'
_CHECK_BOT = "check the bot's token (bot_token, or its _file or _env)"
_NEW_TOKEN = f"{_CHECK_BOT}, or install the app again in Slack and take its new token"
_INVITE = "invite the bot to it in Slack (/invite)"
_ADMINISTRATORS = "ask the workspace's administrators to allow it"

_SLACK_BOT_ADVICE = {
    "access_denied": _ADMINISTRATORS,
    "accesslimited": _ADMINISTRATORS,
    "account_inactive": _NEW_TOKEN,
    "certificate_invalid": "check this machine's clock and authorities (ca-certificates), and for a proxy in between",
    "channel_not_found": f'check "channel" for a typing error, and if it is a private one, {_INVITE}',
    "connection_failed": _BOT_WAY_OUT,
    "connection_lost": f"{_BOT_WAY_OUT}, or {_PASSES}",
    "connection_refused": _BOT_WAY_OUT,
    "ekm_access_denied": "ask the workspace's administrators",
    "enterprise_is_restricted": _ADMINISTRATORS,
    "external_channel_migrating": "wait until it is done",
    "fatal_error": _PASSES,
    "foreign_payload": "nothing: it is made anew",
    "http_error": f"{_CHECK_API}, or {_PASSES}",
    "internal_error": "look in the receiver's log, and report it",
    "invalid_arguments": _OUR_MESSAGE,
    "invalid_attachments": _OUR_MESSAGE,
    "invalid_auth": f"{_CHECK_BOT}, and that the workspace lets the app in from this address",
    "invalid_blocks": _OUR_MESSAGE,
    "invalid_blocks_format": _OUR_MESSAGE,
    "invalid_reply": _CHECK_API,
    "is_archived": 'unarchive it, or set "channel" to another',
    "message_limit_exceeded": "wait a while, or raise the limit in Slack",
    "messages_tab_disabled": 'switch on the app\'s messages tab in Slack, or set "channel" to a channel',
    "method_deprecated": "look for a newer version of the receiver",
    "missing_scope": "add the scope chat:write to the app in Slack, and install it again",
    "msg_blocks_too_long": _OUR_MESSAGE,
    "msg_too_long": _OUR_MESSAGE,
    "name_not_resolved": _BOT_WAY_OUT,
    "no_permission": _INVITE,
    "no_text": _OUR_MESSAGE,
    "not_allowed_token_type": "take the token of the app's bot, which begins with xoxb-",
    "not_authed": f"{_CHECK_API}, and {_CHECK_BOT}",
    "not_in_channel": _INVITE,
    "org_login_required": "wait until that is done",
    "rate_limited": 'wait a minute, and lower "throttle" if it comes often',
    "request_timeout": f"{_BOT_WAY_OUT}, or {_PASSES}",
    "restricted_action": _ADMINISTRATORS,
    "restricted_action_read_only_channel": f'{_ADMINISTRATORS}, or set "channel" to another',
    "restricted_action_thread_only_channel": f'{_ADMINISTRATORS}, or set "channel" to another',
    "service_unavailable": _PASSES,
    "team_access_not_granted": "install the app in that workspace, too",
    "team_added_to_org": "wait until that is done",
    "timeout": f"{_BOT_WAY_OUT}, or {_PASSES}",
    "tls_failed": _CHECK_API,
    "token_expired": _NEW_TOKEN,
    "token_malformed": f"{_CHECK_BOT}: it is one line of letters, digits and hyphens",
    "token_revoked": _NEW_TOKEN,
    "too_many_attachments": _OUR_MESSAGE,
    "two_factor_setup_required": "ask the workspace's administrators",
    "unexpected_body": _CHECK_API,
    "unknown_error": "look for a newer version of the receiver, or report it",
    "unknown_method": _CHECK_API,
    "update_failed": _PASSES,
    "url_invalid": 'check "api_url"',
}

_CONSOLE = {
    "internal_error": "a defect in the receiver got in the way",
    "stream_closed": "the receiver's output is closed",
}

_CONSOLE_ADVICE = {
    "internal_error": "look in the receiver's log, and report it",
    "stream_closed": "start the receiver with an output that stays open",
}

SAID: Mapping[str, Mapping[str, str]] = {
    "email": _EMAIL,
    "slack": _SLACK,
    "slack_bot": _SLACK_BOT,
    "console": _CONSOLE,
}
ADVICE: Mapping[str, Mapping[str, str]] = {
    "email": _EMAIL_ADVICE,
    "slack": _SLACK_ADVICE,
    "slack_bot": _SLACK_BOT_ADVICE,
    "console": _CONSOLE_ADVICE,
}

# Those of other packages, too, once learned.
_said, _advised = dict(SAID), dict(ADVICE)

_PROTOCOLS = {"email": "SMTP", "slack": "HTTP", "slack_bot": "HTTP"}


def learn(kind: str, words: Mapping[str, tuple[str, str]]) -> None:
    """The failures of a kind of channel that another package brings: by reason, what happened and what to do."""
    _said[kind] = {reason: happened for reason, (happened, _) in words.items()}
    _advised[kind] = {reason: order for reason, (_, order) in words.items()}


def said(kind: str, reason: str, code: int | None) -> str:
    """A clause such as ``the mail server refused the connection``, to follow "could not deliver: ".

    A reason without words, as of a version before or of a simulation, speaks for itself.
    """
    words = _said.get(kind, {}).get(reason, reason.replace("_", " "))
    if code is None:
        return words
    # RFC 5321, 4.2.1: the first digit says whether it is for good.
    passing = ", temporary" if kind == "email" and code // 100 == 4 else ""
    return f"{words} ({_PROTOCOLS.get(kind, 'code')} {code}{passing})"


def advice(kind: str, reason: str) -> str:
    """What to do about it, such as ``check "from"``."""
    return _advised.get(kind, {}).get(reason, "look in the receiver's log")
