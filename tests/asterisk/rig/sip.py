"""SIP messages out of sipp's traces."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Message:
    """One message of a trace."""

    at: datetime
    sent: bool
    text: str

    @property
    def first_line(self):
        return self.text.split("\r\n", 1)[0].split("\n", 1)[0].strip()

    @property
    def method(self):
        """The request's method, empty for a response."""
        return "" if self.first_line.startswith("SIP/2.0") else self.first_line.split(" ", 1)[0]

    @property
    def code(self):
        """The response's code, 0 for a request."""
        return int(self.first_line.split(" ")[1]) if self.first_line.startswith("SIP/2.0") else 0

    @property
    def uri(self):
        """The request's URI."""
        return self.first_line.split(" ")[1] if self.method else ""

    def header(self, name):
        match = re.search(rf"(?im)^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r?$", self.text)
        return match.group(1) if match else ""

    @property
    def call_id(self):
        return self.header("Call-ID")


_HEAD = re.compile(r"(?m)^-{20,}\s+(\d{4}-\d{2}-\d{2})[T\s]+(\d{2}:\d{2}:\d{2}\.\d+).*\n\w+ message (sent|received).*$")


def messages(path: Path):
    """All messages of a trace, in the order in which they went over the wire."""
    if not path.exists():
        return []
    text = path.read_bytes().decode(errors="replace")
    heads = list(_HEAD.finditer(text))
    found = []
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        at = datetime.fromisoformat(f"{head.group(1)} {head.group(2)[:15]}")
        found.append(Message(at, head.group(3) == "sent", text[head.end():end].lstrip("\r\n")))
    return found
