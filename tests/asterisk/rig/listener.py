"""A FastAGI server that is none: it takes Asterisk's connections, keeps what was sent, and closes too early."""

import re
import socket
import threading
import time

from . import net
from .process import RigError


class Listener:
    """Use with `with`, while no Tollgate runs."""

    def __init__(self, reset=False, hears_s=0.0, says=(), settles=()):
        """`reset`: ends with RST instead of FIN. `hears_s`: how long it listens before it closes. `says`: commands
        that it says to an authorize, each after the reply to the one before, and then it closes; `UNIQUE_ID` in them
        is the channel's own. `settles`: the same to a settle."""
        self._reset = reset
        self._says = {b"authorize": says, b"settle": settles}
        self._hears_s = hears_s
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((net.ASTERISK, net.AGI_PORT))
        self._socket.listen(64)
        self._socket.settimeout(0.2)
        self._ends = False
        # What each connection sent.
        self.heard = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        while not self._ends:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            connection.settimeout(5)
            self.heard.append(self._say(connection) if any(self._says.values()) else self._hear(connection))
            if self._reset:
                # Linger of zero seconds.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            connection.close()

    def _hear(self, connection):
        text, until = b"", time.monotonic() + self._hears_s
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                part = connection.recv(65536)
            except OSError:
                break
            if not part:
                break
            text += part
        return text.decode(errors="replace")

    def _say(self, connection):
        with connection.makefile("rb") as lines:
            head = b""
            for line in lines:
                head += line
                if line == b"\n":
                    break
            script = re.search(rb"(?m)^agi_network_script: (\w+)", head)
            for command in self._says.get(script.group(1), ()) if script else ():
                own = re.search(rb"(?m)^agi_uniqueid: (.*)$", head).group(1)
                connection.sendall(command.encode().replace(b"UNIQUE_ID", own) + b"\n")
                head += lines.readline()
        return head.decode(errors="replace")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._ends = True
        self._thread.join(timeout=5)
        self._socket.close()
        if kind is None and not self.heard:
            raise RigError("Asterisk did not connect to the listener")
