"""The bundled dashboard, and what its panels ask Prometheus."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.rules.rule_files import RULES

DASHBOARD = RULES / "dashboards" / "alert-receiver.json"

# As Grafana fills them in, with all that can be chosen chosen.
VARIABLES = {
    "$__rate_interval": "5m",
    "$__range": "6h",
    "$job": ".+",
    "$instance": ".+",
    "$channel": ".+",
}


@cache
def dashboard() -> Any:
    """The dashboard as Grafana reads it."""
    return json.loads(DASHBOARD.read_text())


def panels() -> Iterator[Any]:
    """Every panel but the rows, those within collapsed rows too."""
    for panel in dashboard()["panels"]:
        yield from panel.get("panels", []) if panel["type"] == "row" else [panel]


def expressions() -> Iterator[str]:
    """What the panels ask, with the variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            yield filled(target["expr"])


def filled(expression: str) -> str:
    """An expression with the variables filled in."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression
