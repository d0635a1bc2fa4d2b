"""Keys that stand in more than one place of the file, described once: constraints, units, defaults, examples.

The reference of the configuration and the JSON Schema are generated from these.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from receiver.config import durations
from receiver.config.durations import Duration
from receiver.secret import Secret

# ``$`` also matches before a last newline; what follows it here makes it the end, in every dialect.
_END = r"$(?!\n)"
# No digit but zeros; and the number 0, which a pattern lets pass.
POSITIVE = {"not": {"pattern": "^[^1-9]*$"}}
UNIQUE = {"uniqueItems": True}

ChannelName = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x20/?#%\x7f]+" + _END,
        max_length=100,
        description="A channel's name: no spaces, none of / ? # %. Appears in /webhook/{channel} and in metrics.",
        examples=["ops"],
    ),
]
LabelName = Annotated[str, Meta(min_length=1, description="A label's name.", examples=["alertname"])]
MatcherText = Annotated[
    str,
    Meta(
        min_length=1,
        description="One or more matchers in Alertmanager's syntax, with commas between them; all must match. "
        "Regular expressions are RE2's and anchored.",
        examples=['team="ops"', 'severity=~"error|critical",env!="dev"'],
    ),
]
Level = Annotated[str, Meta(min_length=1, description="A level of `severity.levels`, or an alias of one.")]
FilePath = Annotated[str, Meta(min_length=1, description="A file; relative paths start at the configuration's folder.")]
EnvironmentVariable = Annotated[str, Meta(min_length=1, description="The name of an environment variable.")]

# What every channel starts from, and may override.
GroupBy = Annotated[
    tuple[LabelName, ...],
    Meta(
        description="Labels whose values alerts must share to be told in one message; a missing label has the empty "
        "value. ['...'] is every label, so each alert alone; [] tells all together. "
        "Default [alertname, cluster, namespace].",
        extra_json_schema=UNIQUE,
    ),
]
GroupWait = Annotated[
    Duration,
    Meta(
        description="How long a group's first news waits for more. Short, since Alertmanager has batched already. "
        "Default 10s.",
        examples=["10s"],
    ),
]
GroupThreshold = Annotated[
    int,
    Meta(
        ge=1,
        le=1_000_000,
        description="So many new alerts waiting in a group are told at once, without group_wait. Default 5.",
    ),
]
GroupInterval = Annotated[
    Duration,
    Meta(description="The least time between two messages of one group. Default 2m.", examples=["2m"]),
]
RepeatInterval = Annotated[
    Duration,
    Meta(
        description="How long after a group's last message alerts that still fire are told again, as a reminder. "
        "Only a firing that Alertmanager repeats reminds, never a timer; group_interval earlier is close enough. "
        "Default 4h.",
        examples=["4h"],
        extra_json_schema=POSITIVE,
    ),
]
Urgent = Annotated[
    tuple[MatcherText, ...],
    Meta(
        description="Matcher sets, any one of which is enough: an alert that begins to fire and matches is told at "
        "once, heeding urgent_interval alone. They see the labels as they came, without severity.aliases. "
        "[]: nothing is urgent. Default ['severity=\"critical\"'].",
        examples=[['severity="critical"', 'severity="page",env="prod"']],
    ),
]
UrgentInterval = Annotated[
    Duration,
    Meta(
        description="The least time between two urgent messages of one group; doubles up to group_interval while "
        "urgent news keeps coming, and starts anew after a group_interval without any. Default 1m.",
        examples=["1m"],
    ),
]
DigestInterval = Annotated[
    Duration,
    Meta(
        description="The least time between two digests of a throttled channel; only urgent news goes out in between. "
        "Default 1m.",
        examples=["1m"],
    ),
]
MinSeverity = Annotated[Level, Meta(description="The lowest severity that this tells of. Default info.")]
SendResolved = Annotated[bool, Meta(description="Whether resolved alerts are told. Default true.")]
RetryFor = Annotated[
    Duration,
    Meta(
        description="How long the news of a resolved alert waits for a channel that fails, before it is dead; what "
        "still fires never dies of age. Also how long a removed channel keeps what it has not told. Default 24h.",
        examples=["24h"],
        extra_json_schema=POSITIVE,
    ),
]
FallbackAfter = Annotated[
    Duration,
    Meta(
        description="How long news that this channel does not get through may be due before the fallback channel tells "
        "it; urgent news at most 2m. Default 10m.",
        examples=["10m"],
        extra_json_schema=POSITIVE,
    ),
]

# How mail is sent, for all email channels in ``smtp``, and each may override it.
Host = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)" + _END,
        max_length=253,
        description="The mail server's name or address, without a port.",
        examples=["smtp.example.com"],
    ),
]
Port = Annotated[
    int,
    Meta(
        ge=1,
        le=65535,
        description="The mail server's port. Default 587 with starttls, 465 with tls, 25 with none.",
        examples=[587],
    ),
]
SmtpSecurity = Annotated[
    Literal["starttls", "tls", "none"],
    Meta(
        description="starttls: a plain connection that must turn to TLS, never opportunistically; tls: TLS from the "
        "start; none: no encryption, and a password then goes to a loopback host only. Default starttls."
    ),
]
Username = Annotated[str, Meta(min_length=1, description="The user to log in as; goes with a password.")]
Password = Annotated[Secret, Meta(description="The password to log in with; better given by a file or variable.")]
PasswordFile = Annotated[FilePath, Meta(description="A file with the password.")]
PasswordEnv = Annotated[EnvironmentVariable, Meta(description="The environment variable with the password.")]
CaFile = Annotated[FilePath, Meta(description="A PEM bundle of the authorities to trust instead of the system's.")]
Timeout = Annotated[
    Duration,
    Meta(
        description="How long to wait for each answer of the mail server. Default 10s.",
        examples=["10s"],
        extra_json_schema=POSITIVE,
    ),
]


def lasting(text: str) -> Any:
    """The default of a field that is a duration; typed as msgspec's own ``field``, whatever the field needs."""
    return field(default_factory=lambda: durations.parse(text))
