"""What `helm test` runs: an alert fires and ends, and the webhook takes both. Standard library only."""

# ruff: noqa: S310, T201 (the address is the chart's own Service; what it prints is the pod's log)

import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

# A new pod is ready before every node knows of it.
PATIENCE_SECONDS = 60


def post(status, token):
    """Post the alert; what is wrong, or nothing. A refusal ends it: another attempt would be refused, too."""
    url = os.environ["WEBHOOK"]
    now = datetime.now(UTC)
    alert = {
        "status": status,
        "labels": json.loads(os.environ["LABELS"]),
        "annotations": {"summary": "helm test: alerts reach alert-receiver. Nothing is wrong."},
        "startsAt": (STARTED - timedelta(seconds=1)).isoformat(),
        "endsAt": now.isoformat() if status == "resolved" else "0001-01-01T00:00:00Z",
    }
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps({"alerts": [alert]}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            print(f"{url}: {status}: {answer.status}")
            return "" if answer.status == 200 else f"{url} answered {answer.status}, not 200"
    except urllib.error.HTTPError as error:
        wrong = f"{url} answered {error.code}: {error.read(500).decode(errors='replace').strip()}"
        if error.code < 500:
            sys.exit(wrong)
        return wrong
    except OSError as error:
        return f"can't reach {url}: {error}"


STARTED = datetime.now(UTC)
token = ""
if path := os.environ.get("TOKEN_FILE"):
    with open(path) as file:
        # While a token is changed there are two lines, the new one first.
        token = file.readline().strip()
deadline = time.monotonic() + PATIENCE_SECONDS
for status in ("firing", "resolved"):
    while wrong := post(status, token):
        if time.monotonic() > deadline:
            sys.exit(wrong)
        time.sleep(2)
