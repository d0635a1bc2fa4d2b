"""The configuration file as types. Past ``resolve`` nobody sees them.

A key that may be left out without a value of its own is UNSET, never None: in the file an empty key is a mistake.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from receiver.config import keys
from receiver.config.credentials import Rotation
from receiver.config.durations import Duration
from receiver.config.keys import POSITIVE, UNIQUE, lasting
from receiver.secret import Secret


class Section(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class Storage(Section, kw_only=True, frozen=True):
    """Where the books are kept."""

    url: Annotated[
        str,
        Meta(
            description="The database: sqlite:/// and a path, relative to the working folder. "
            "Default sqlite:///alert-receiver.db.",
            examples=["sqlite:////var/lib/alert-receiver/alert-receiver.db"],
        ),
    ] = "sqlite:///alert-receiver.db"
    retention: Annotated[
        Duration,
        Meta(
            description="How long history is kept; what is pending is never pruned. Default 30d.",
            examples=["30d"],
            extra_json_schema=POSITIVE,
        ),
    ] = lasting("30d")


class Severity(Section, kw_only=True, frozen=True):
    """How severe an alert is, and which severities there are."""

    label: Annotated[keys.LabelName, Meta(description="The label that holds the severity. Default severity.")] = (
        "severity"
    )
    levels: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            min_length=1,
            description="All severities, from the least to the most severe; upper and lower case are the same. "
            "Default [none, info, warning, error, critical].",
        ),
    ] = ("none", "info", "warning", "error", "critical")
    default: Annotated[
        str, Meta(description="The level that a missing or unknown severity counts as. Default warning.")
    ] = "warning"
    aliases: Annotated[
        dict[str, str],
        Meta(description="Other spellings, each with the level it stands for. Default {page: critical}."),
    ] = field(default_factory=lambda: {"page": "critical"})


class Throttle(Section, kw_only=True, frozen=True):
    """How many messages a channel sends at most: a token bucket. A channel's own replaces that of `defaults` whole."""

    messages: Annotated[int, Meta(ge=1, le=1_000_000, description="So many messages in each `per`. Default 6.")] = 6
    per: Annotated[
        Duration,
        Meta(
            description="The time that `messages` counts for. Default 1m.",
            examples=["1m"],
            extra_json_schema=POSITIVE,
        ),
    ] = lasting("1m")
    burst: (
        Annotated[int, Meta(ge=1, le=1_000_000, description="So many may be saved up. Default: as many as `messages`.")]
        | UnsetType
    ) = UNSET


class Smtp(Section, kw_only=True, frozen=True):
    """How mail is sent; every email channel may override any of it."""

    host: keys.Host | UnsetType = UNSET
    port: keys.Port | UnsetType = UNSET
    security: keys.SmtpSecurity = "starttls"
    username: keys.Username | UnsetType = UNSET
    password: keys.Password | UnsetType = UNSET
    password_file: keys.PasswordFile | UnsetType = UNSET
    password_env: keys.PasswordEnv | UnsetType = UNSET
    ca_file: keys.CaFile | UnsetType = UNSET
    timeout: keys.Timeout = lasting("10s")


class Defaults(Section, kw_only=True, frozen=True):
    """What every channel starts from, and may override."""

    group_by: keys.GroupBy = ("alertname", "cluster", "namespace")
    group_wait: keys.GroupWait = lasting("10s")
    group_threshold: keys.GroupThreshold = 5
    group_interval: keys.GroupInterval = lasting("2m")
    repeat_interval: keys.RepeatInterval = lasting("4h")
    urgent: keys.Urgent = ('severity="critical"',)
    urgent_interval: keys.UrgentInterval = lasting("1m")
    digest_interval: keys.DigestInterval = lasting("1m")
    throttle: Throttle = field(default_factory=Throttle)
    min_severity: keys.MinSeverity = "info"
    send_resolved: keys.SendResolved = True
    retry_for: keys.RetryFor = lasting("24h")
    fallback_after: keys.FallbackAfter = lasting("10m")


class Templates(Section, kw_only=True, frozen=True):
    """Jinja2 templates for the parts of a message; what has none is rendered as usual. Each inline or in a file."""

    subject: Annotated[str, Meta(description="The subject, one line.")] | UnsetType = UNSET
    subject_file: Annotated[keys.FilePath, Meta(description="A file with the subject's template.")] | UnsetType = UNSET
    text: (
        Annotated[str, Meta(description="The plain text; in Slack what a phone's notification shows.")] | UnsetType
    ) = UNSET
    text_file: Annotated[keys.FilePath, Meta(description="A file with the text's template.")] | UnsetType = UNSET
    html: Annotated[str, Meta(description="The HTML of a mail; values are escaped.")] | UnsetType = UNSET
    html_file: Annotated[keys.FilePath, Meta(description="A file with the HTML's template.")] | UnsetType = UNSET
    slack: (
        Annotated[str, Meta(description="What Slack shows below the header, as mrkdwn; values are escaped.")]
        | UnsetType
    ) = UNSET
    slack_file: Annotated[keys.FilePath, Meta(description="A file with the Slack template.")] | UnsetType = UNSET


class Channel(Section, kw_only=True, frozen=True, tag_field="type"):
    """One configured destination."""

    name: keys.ChannelName
    alias: Annotated[keys.ChannelName, Meta(description="A second name.", examples=["war-room"])] | UnsetType = UNSET
    matchers: Annotated[
        tuple[keys.MatcherText, ...],
        Meta(description="All must match for the channel to take an alert. Default: none, it takes every alert."),
    ] = ()
    fallback: (
        Annotated[
            str,
            Meta(
                description="The channel that tells what this one does not get through within fallback_after. "
                "Its own matchers and min_severity don't count then.",
                examples=["oncall"],
            ),
        ]
        | UnsetType
    ) = UNSET
    templates: (
        Annotated[Templates, Meta(description="Jinja2 templates instead of the built-in rendering.")] | UnsetType
    ) = UNSET
    group_by: keys.GroupBy | UnsetType = UNSET
    group_wait: keys.GroupWait | UnsetType = UNSET
    group_threshold: keys.GroupThreshold | UnsetType = UNSET
    group_interval: keys.GroupInterval | UnsetType = UNSET
    repeat_interval: keys.RepeatInterval | UnsetType = UNSET
    urgent: keys.Urgent | UnsetType = UNSET
    urgent_interval: keys.UrgentInterval | UnsetType = UNSET
    digest_interval: keys.DigestInterval | UnsetType = UNSET
    throttle: Throttle | UnsetType = UNSET
    min_severity: keys.MinSeverity | UnsetType = UNSET
    send_resolved: keys.SendResolved | UnsetType = UNSET
    retry_for: keys.RetryFor | UnsetType = UNSET
    fallback_after: keys.FallbackAfter | UnsetType = UNSET


class SlackChannel(Channel, kw_only=True, frozen=True, tag="slack"):
    """A Slack channel, by an incoming webhook or by a bot, which keeps a group in one thread."""

    webhook_url: (
        Annotated[
            Secret,
            Meta(
                description="The incoming webhook's address, which is a credential: https, or http to loopback. "
                "Better given by a file or variable. Instead of it: bot_token and channel."
            ),
        ]
        | UnsetType
    ) = UNSET
    webhook_url_file: Annotated[keys.FilePath, Meta(description="A file with the webhook's address.")] | UnsetType = (
        UNSET
    )
    webhook_url_env: (
        Annotated[keys.EnvironmentVariable, Meta(description="The environment variable with the address.")] | UnsetType
    ) = UNSET
    bot_token: (
        Annotated[
            Secret,
            Meta(
                description="A bot's token (xoxb-…) with the scope chat:write, instead of webhook_url: a group is one "
                "message and its thread. Better given by a file or variable."
            ),
        ]
        | UnsetType
    ) = UNSET
    bot_token_file: Annotated[keys.FilePath, Meta(description="A file with the bot's token.")] | UnsetType = UNSET
    bot_token_env: (
        Annotated[keys.EnvironmentVariable, Meta(description="The environment variable with the token.")] | UnsetType
    ) = UNSET
    channel: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="The Slack channel that the bot writes to, by name or, as it survives a renaming, by ID.",
                examples=["#ops", "C0123456789"],
            ),
        ]
        | UnsetType
    ) = UNSET
    api_url: (
        Annotated[
            str,
            Meta(
                description="Where the bot reaches Slack's Web API: https, or http to loopback. "
                "Default https://slack.com/api/.",
                examples=["https://slack-gov.com/api/"],
            ),
        ]
        | UnsetType
    ) = UNSET
    mention: (
        Annotated[
            dict[str, str],
            Meta(
                description="Whom urgent news mentions, by severity; the only source of mentions.",
                examples=[{"critical": "<!here>"}],
            ),
        ]
        | UnsetType
    ) = UNSET


class EmailChannel(Channel, kw_only=True, frozen=True, tag="email"):
    """Mail to a list of people. Takes every key of `smtp`."""

    to: Annotated[
        tuple[Annotated[str, Meta(description="A mail address.")], ...],
        Meta(min_length=1, description="Who gets the mail.", examples=[["oncall@example.com"]]),
    ]
    sender: Annotated[str, Meta(description="Whom the mail is from.", examples=["Alerts <alerts@example.com>"])] = (
        field(name="from")
    )
    host: keys.Host | UnsetType = UNSET
    port: keys.Port | UnsetType = UNSET
    security: keys.SmtpSecurity | UnsetType = UNSET
    username: keys.Username | UnsetType = UNSET
    password: keys.Password | UnsetType = UNSET
    password_file: keys.PasswordFile | UnsetType = UNSET
    password_env: keys.PasswordEnv | UnsetType = UNSET
    ca_file: keys.CaFile | UnsetType = UNSET
    timeout: keys.Timeout | UnsetType = UNSET


class ConsoleChannel(Channel, kw_only=True, frozen=True, tag="console"):
    """Prints messages to the process's own output."""


CHANNEL_TYPES: dict[str, type[Channel]] = {
    "slack": SlackChannel,
    "email": EmailChannel,
    "console": ConsoleChannel,
}

ChannelNames = Annotated[tuple[str, ...], Meta(description="Names of channels.", examples=[["oncall"]])]


class Token(Section, kw_only=True, frozen=True):
    """A bearer token of somebody who sends notifications, asks questions or changes things."""

    name: Annotated[str, Meta(min_length=1, description="Whose token this is; appears in the log.")]
    token: (
        Annotated[
            Rotation,
            Meta(
                description="The token; better given by a file or variable. Two lines are two tokens, both valid: "
                "the new one and, until everybody has it, the old one."
            ),
        ]
        | UnsetType
    ) = UNSET
    token_file: Annotated[keys.FilePath, Meta(description="A file with the token, or with two.")] | UnsetType = UNSET
    token_env: (
        Annotated[keys.EnvironmentVariable, Meta(description="The environment variable with the token, or with two.")]
        | UnsetType
    ) = UNSET
    scopes: Annotated[
        tuple[Literal["webhook", "read", "admin"], ...],
        Meta(
            min_length=1,
            description="What the token allows. webhook: to send notifications; read: /metrics and questions; "
            "admin: to change what the receiver does, and read.",
            examples=[["webhook"]],
            extra_json_schema=UNIQUE,
        ),
    ]
    source: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]+$(?!\n)",
            max_length=100,
            description="The sender's name: alerts of different sources are different alerts, so HA peers share one. "
            "Appears in metrics. Default default.",
            examples=["prod"],
        ),
    ] = "default"


class Auth(Section, kw_only=True, frozen=True):
    """Who may do what."""

    tokens: Annotated[
        tuple[Token, ...],
        Meta(
            description="The tokens that are accepted, in the header Authorization alone. With one, every path but "
            "the probes needs one. Default: none; everybody may send notifications and scrape, and from this machine "
            "alone reload."
        ),
    ] = ()


class Heartbeat(Section, kw_only=True, frozen=True):
    """An alert that always fires, whose absence is told."""

    name: Annotated[str, Meta(min_length=1, description="The heartbeat's name.")]
    matchers: Annotated[
        tuple[keys.MatcherText, ...], Meta(min_length=1, description="Which alert is the heartbeat; all must match.")
    ]
    within: Annotated[
        Duration,
        Meta(
            description="How long it may stay away; longer than its sender repeats it.",
            examples=["15m"],
            extra_json_schema=POSITIVE,
        ),
    ]
    channels: Annotated[ChannelNames, Meta(min_length=1, description="The channels that tell its absence.")]


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Report(Section, kw_only=True, frozen=True):
    """A summary at a set time."""

    name: Annotated[str, Meta(min_length=1, description="The report's name.")]
    at: Annotated[
        str,
        Meta(
            pattern=r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$(?!\n)",
            description="The time of the day, hours and minutes.",
            examples=["09:00"],
        ),
    ]
    timezone: Annotated[str, Meta(description="The time zone of `at`. Default UTC.", examples=["Europe/Berlin"])] = (
        "UTC"
    )
    days: Annotated[
        tuple[Day, ...],
        Meta(min_length=1, description="The days of the week. Default: all.", extra_json_schema=UNIQUE),
    ] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    channels: Annotated[ChannelNames, Meta(min_length=1, description="The channels that tell the report.")]
    include: Annotated[tuple[str, ...], Meta(description="The report's parts. Default: all.")] = ()


class Config(Section, kw_only=True, frozen=True):
    """The configuration of alert-receiver."""

    storage: Storage = field(default_factory=Storage)
    severity: Severity = field(default_factory=Severity)
    ignore_labels: Annotated[
        tuple[keys.LabelName, ...],
        Meta(
            description="Labels that make no difference between alerts, as those of HA replicas. "
            "Default [prometheus_replica].",
            examples=[["prometheus_replica", "replica"]],
        ),
    ] = ("prometheus_replica",)
    expire_after: Annotated[
        Duration,
        Meta(
            description="How long an alert that nobody confirms is still counted among those that also fire; "
            "it stays open, and the lapse itself is not told. Must exceed Alertmanager's repeat_interval. Default 24h.",
            examples=["24h"],
            extra_json_schema=POSITIVE,
        ),
    ] = lasting("24h")
    reorder_window: Annotated[
        Duration,
        Meta(
            description="How long a firing is held that began before another HA peer resolved the alert: a resolve "
            "meanwhile shows that it came late. 0: it fires again at once. Default 2m.",
            examples=["2m"],
        ),
    ] = lasting("2m")
    notices: Annotated[
        ChannelNames,
        Meta(
            description="Channels for the receiver's own notices: refused webhook requests, dead alerts, store "
            "trouble. At most one of a kind in ten minutes. Default: none; all that is logged and metered only."
        ),
    ] = ()
    smtp: Smtp = field(default_factory=Smtp)
    defaults: Defaults = field(default_factory=Defaults)
    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, description="Where alerts are told, in order.")]
    auth: Auth = field(default_factory=Auth)
    heartbeats: Annotated[tuple[Heartbeat, ...], Meta(description="Alerts whose absence is told. Default: none.")] = ()
    reports: Annotated[tuple[Report, ...], Meta(description="Summaries at set times. Default: none.")] = ()
