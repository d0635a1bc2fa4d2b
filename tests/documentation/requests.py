"""The pages' ``curl`` lines, asked of a receiver of the test's own."""

import re
import shlex
from pathlib import Path

from tests.end_to_end.processes import Answer, ReceiverProcess

HERE = "http://127.0.0.1:9095"


async def curl(line: str, receiver: ReceiverProcess, folder: Path) -> Answer:
    """What the line's request is answered; what comes after a pipe is the caller's."""
    first = line.partition(" | ")[0]
    token = re.search(r"\$\(head -1 (\S+)\)", first)
    if token:
        first = first.replace(token[0], (folder / token[1]).read_text().splitlines()[0])
    words = iter(shlex.split(first))
    assert next(words) == "curl"
    method, headers, body, url = "GET", dict[str, str](), None, ""
    for word in words:
        if word == "-s":
            continue
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "--data":
            body = next(words).encode()
        else:
            assert word.startswith(f"{HERE}/"), word
            url = word.removeprefix(HERE)
    if body is not None:
        method = "POST"
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    return await receiver.request(method, url, body, headers)
