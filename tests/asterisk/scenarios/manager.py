"""AMI as it ships: Tollgate's user may do what Tollgate needs and nothing that opens the box; no secret, no user."""

import hashlib
import re
import socket

from rig import net


def run(rig, claims):
    with Manager() as manager:
        answer = manager.ask("Login", Username="tollgate", Secret="")
        claims.equal("an empty secret is refused", answer["Response"], "Error")
    with Manager() as manager:
        claims.equal("the MD5 challenge is answered", manager.login()["Response"], "Success")
        for action, fields in (
            ("Ping", {}), ("CoreShowChannels", {}), ("CoreStatus", {}),
            ("DBGetTree", {"Family": "tg_unsettled"}), ("DBPut", {"Family": "rig", "Key": "k", "Val": "v"}),
            ("DBDel", {"Family": "rig", "Key": "k"}),
        ):
            claims.equal(f"{action} is allowed", manager.ask(action, **fields)["Response"], "Success")
        for action, fields in (
            # Of a channel that is not there: allowed, and so answered about the channel.
            ("Hangup", {"Channel": "PJSIP/nobody-1"}), ("AbsoluteTimeout", {"Channel": "PJSIP/nobody-1", "Timeout": "5"}),
            ("Getvar", {"Channel": "PJSIP/nobody-1", "Variable": "TG_TICKET"}),
        ):
            answer = manager.ask(action, **fields)
            claims.that(f"{action} is allowed", "No such channel" in answer.get("Message", ""), answer)
        for action, fields in (
            ("Originate", {"Channel": "PJSIP/carrier-a/sip:112@127.0.1.9", "Application": "Echo"}),
            ("Command", {"Command": "core show version"}),
            ("UpdateConfig", {"SrcFilename": "manager.conf", "DstFilename": "manager.conf"}),
            ("Setvar", {"Variable": "SHELL(id)", "Value": "1"}),
        ):
            answer = manager.ask(action, **fields)
            claims.equal(f"{action} is refused", answer["Response"], "Error")
    own = rig.asterisk.conf("site/manager.conf")
    claims.that("no user ships without a secret", not re.search(r"(?m)^\s*\[", own), own)


class Manager:
    """One AMI session."""

    def __enter__(self):
        self._socket = socket.create_connection((net.ASTERISK, net.MANAGER_PORT), timeout=5)
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\r\n")
        self._lines.readline()
        return self

    def login(self, events="on"):
        """As Tollgate does, with its secret; hears these classes of events."""
        challenge = self.ask("Challenge", AuthType="MD5")["Challenge"]
        key = hashlib.md5((challenge + net.MANAGER_SECRET).encode(), usedforsecurity=False).hexdigest()
        return self.ask("Login", AuthType="MD5", Username="tollgate", Key=key, Events=events)

    def listen(self, *events):
        """Hears these events alone, as Tollgate does."""
        self.login(events="off")
        for event in events:
            self.ask("Filter", Operation="Add", MatchCriteria=f"name({event})")
        self.ask("Events", EventMask="system,call")

    def heard(self):
        """Every block since the last action, as the lines of each; planted ones are blocks of their own."""
        self._socket.sendall(b"Action: Ping\r\nActionID: heard\r\n\r\n")
        blocks, block = [], []
        while True:
            line = self._lines.readline()
            if not line:
                raise ConnectionError("Asterisk ended the session")
            if line.strip():
                block.append(line.strip())
                continue
            if "ActionID: heard" in block:
                return blocks
            blocks.append(block)
            block = []

    def ask(self, action, **fields):
        """The answer to an action; events that come before it are passed over."""
        text = "".join(f"{key}: {value}\r\n" for key, value in {"Action": action, "ActionID": action, **fields}.items())
        self._socket.sendall(text.encode() + b"\r\n")
        while True:
            answer = {}
            while (line := self._lines.readline().strip()):
                key, _, value = line.partition(": ")
                answer.setdefault(key, value)
            if "Response" in answer or not answer:
                return answer

    def __exit__(self, *_):
        self._socket.close()
