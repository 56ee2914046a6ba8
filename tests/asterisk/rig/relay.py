"""A TCP relay that can be slow, silent, dead or cut: what is between Asterisk and Tollgate when the network is at fault."""

import contextlib
import socket
import threading
import time

from . import net


class Relay:
    """Forwards a port of the rig's to another one. Made once, changed at will."""

    def __init__(self, port, target):
        self._port = port
        self._target = target
        # How long an answer is held back; and whether none comes at all.
        self.delay_s = 0.0
        self.silent = False
        self._listener = None
        self._pairs = []
        self._lock = threading.Lock()
        self.open()

    def open(self):
        """Takes connections (again)."""
        if self._listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((net.ASTERISK, self._port))
            listener.listen(128)
            self._listener = listener
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self):
        """Ends every connection; new ones are taken."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _close(end)

    def close(self):
        """Nobody listens any more."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            _close(listener)
        self.cut()

    def reset(self):
        self.delay_s, self.silent = 0.0, False
        self.cut()
        self.open()

    def _accept(self, listener):
        while listener is self._listener:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            if listener is not self._listener:
                near.close()
                return
            try:
                far = socket.create_connection((net.ASTERISK, self._target), timeout=2)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source, sink, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self.delay_s:
                    time.sleep(self.delay_s)
                while is_answer and self.silent:
                    time.sleep(0.02)
                    if source.fileno() < 0:
                        return
                sink.sendall(data)
        _close(source)
        _close(sink)


def _close(end):
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.close()
