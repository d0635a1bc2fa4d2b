"""Write down what Alertmanager posts, as `alert-receiver simulate` reads it: python capture.py [port] >> mine.jsonl"""

import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer


class Capture(BaseHTTPRequestHandler):
    """Takes every notification, and prints a line for it."""

    def do_POST(self) -> None:
        """Print the body with the time at which it came, and the channel of /webhook/{channel}."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        except ValueError:
            self.send_error(400, "not JSON")
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        channel = self.path.removeprefix("/webhook").strip("/")
        line = {"at": at, **({"channel": channel} if channel else {}), "notification": body}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        self.send_response(200)
        self.end_headers()


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9099
    sys.stderr.write(f"listening on http://127.0.0.1:{port}/webhook, Ctrl-C ends it\n")
    with suppress(KeyboardInterrupt):
        HTTPServer(("127.0.0.1", port), Capture).serve_forever()
