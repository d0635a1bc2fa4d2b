"""The reasons of failures are a closed list: they are the values of a metric's label."""

import ast
import inspect
from types import ModuleType

import pytest

from receiver.channels import console, email, slack, slack_answers, slack_bot, smtp_replies


def said(module: ModuleType) -> set[str]:
    """The reasons that a module's code gives to transient(), misconfigured() and rejected()."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in ("transient", "misconfigured", "rejected")
        and isinstance(call.args[0], ast.Constant)
    }


@pytest.mark.parametrize(
    ("module", "beside"),
    [
        (console, set()),
        (email, smtp_replies.REASONS),
        (smtp_replies, set()),
        (slack, slack_answers.REASONS | set(slack.WORDS)),
        (slack_bot, slack_answers.REASONS | set(slack_bot.WORDS)),
        (slack_answers, {"http_error", "rate_limited", "unexpected_body"}),
    ],
)
def test_every_reason_that_the_code_gives_is_in_the_channels_list(module: ModuleType, beside: set[str]) -> None:
    assert said(module) | beside <= set(module.REASONS)


@pytest.mark.parametrize("module", [console, email, slack, slack_bot])
def test_what_the_dispatcher_says_of_a_broken_channel_is_in_every_list(module: ModuleType) -> None:
    assert "internal_error" in module.REASONS
