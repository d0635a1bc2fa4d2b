"""What carries the messages of a configured destination: its channel, and how they are rendered for it."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TextIO

from receiver import brought
from receiver.channels.console import ConsoleChannel
from receiver.channels.email import EmailChannel
from receiver.channels.slack import SlackChannel
from receiver.channels.slack_bot import SlackBotChannel
from receiver.config.destinations import (
    BroughtDestination,
    ConsoleDestination,
    Destination,
    EmailDestination,
    SlackBotDestination,
    SlackDestination,
)
from receiver.dispatch import Outlet
from receiver.messages import console, email, slack
from receiver.templates.forms import form_of
from receiver.templates.own import OwnRendering

_KINDS = {
    EmailDestination: "email",
    ConsoleDestination: "console",
    SlackDestination: "slack",
    SlackBotDestination: "slack_bot",
}


def outlet(destination: Destination, stdout: TextIO, template_failed: Callable[[], None] = lambda: None) -> Outlet:
    """The channel of a destination, with the rendering that it carries: its own templates', where it has any.

    ``template_failed`` is called for each message that these fail for.
    """
    built_in = _built_in(destination, stdout)
    sources = {part: source for part, source in asdict(destination.templates).items() if source is not None}
    if not sources:
        return built_in
    form = replace(form_of(_KINDS.get(type(destination), "")), builtin=built_in.render)
    own = OwnRendering(destination.name, form, sources, template_failed)
    return replace(built_in, render=own, close=own.close)


def _built_in(destination: Destination, stdout: TextIO) -> Outlet:
    match destination:
        case SlackDestination():
            return Outlet(SlackChannel(destination.name, webhook_url=destination.webhook_url), slack.render)
        case SlackBotDestination():
            bot = SlackBotChannel(
                destination.name,
                bot_token=destination.bot_token,
                channel=destination.channel,
                api_url=destination.api_url,
            )
            return Outlet(bot, slack.render_threaded)
        case EmailDestination():
            channel = EmailChannel(
                destination.name,
                sender=destination.sender,
                recipients=destination.recipients,
                host=destination.host,
                port=destination.port,
                security=destination.security,
                username=destination.username,
                password=destination.password,
                ca_file=destination.ca_file,
                timeout=destination.timeout,
            )
            return Outlet(channel, email.render)
        case ConsoleDestination():
            return Outlet(ConsoleChannel(destination.name, stdout), console.render)
        case BroughtDestination():
            return brought.outlet(destination)
