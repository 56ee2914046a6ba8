"""A carrier that never answers and sends audio all the same (183 Session Progress), and an ear at the phone."""

import re
import socket
import threading
import time

from . import net

# What the phone of rig/agent.py offers.
PHONE_MEDIA_PORT = 39000
PACKET_S = 0.02


class EarlyCarrier:
    """Use with `with`: takes each INVITE with 183 and audio until it is cancelled."""

    def __init__(self, trunk):
        self._host = net.CARRIERS[trunk]
        self._sip = _udp(self._host, net.CARRIER_PORT)
        self._media = _udp(self._host, 0)
        self._ends = False
        self._targets = {}
        self.invites = 0
        self._threads = [threading.Thread(target=it, daemon=True) for it in (self._serve, self._send)]

    def _serve(self):
        while not self._ends:
            try:
                data, sender = self._sip.recvfrom(65535)
            except OSError:
                continue
            text = data.decode(errors="replace")
            call = _header(text, "Call-ID")
            if text.startswith("INVITE"):
                if call not in self._targets:
                    self.invites += 1
                self._targets[call] = (re.search(r"(?m)^c=IN IP4 (\S+)", text).group(1),
                                       int(re.search(r"(?m)^m=audio (\d+)", text).group(1)), text)
                port = self._media.getsockname()[1]
                self._answer(text, sender, "183 Session Progress", (
                    f"v=0\r\no=c 1 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
                    f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"))
            elif text.startswith("CANCEL"):
                self._answer(text, sender, "200 OK")
                if (found := self._targets.pop(call, None)) is not None:
                    self._answer(found[2], sender, "487 Request Terminated")
            elif text.startswith("OPTIONS"):
                self._answer(text, sender, "200 OK")

    def _answer(self, request, sender, status, sdp=""):
        vias = "".join(f"{line}\r\n" for line in re.findall(r"(?im)^Via:[^\r\n]*", request))
        content = "Content-Type: application/sdp\r\n" if sdp else ""
        self._sip.sendto((
            f"SIP/2.0 {status}\r\n{vias}From: {_header(request, 'From')}\r\nTo: {_header(request, 'To')};tag=early\r\n"
            f"Call-ID: {_header(request, 'Call-ID')}\r\nCSeq: {_header(request, 'CSeq')}\r\n"
            f"Contact: <sip:carrier@{self._host}:{net.CARRIER_PORT}>\r\n{content}Content-Length: {len(sdp)}\r\n\r\n{sdp}"
        ).encode(), sender)

    def _send(self):
        sequence = 0
        while not self._ends:
            sequence += 1
            head = bytes([0x80, 8]) + sequence.to_bytes(2, "big") + (sequence * 160).to_bytes(4, "big") + b"earl"
            for host, port, _ in list(self._targets.values()):
                self._media.sendto(head + bytes([0x55]) * 160, (host, port))
            time.sleep(PACKET_S)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        for thread in self._threads:
            thread.join(timeout=2)
        self._sip.close()
        self._media.close()


class Ear:
    """Use with `with`: counts the packets of audio that come to the phone."""

    def __init__(self):
        self._media = _udp(net.PHONE, PHONE_MEDIA_PORT)
        self._ends = False
        self.packets = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self):
        while not self._ends:
            try:
                data = self._media.recv(2048)
            except OSError:
                continue
            # RTP alone: version 2, and long enough to hold sound.
            self.packets += len(data) > 100 and data[0] >> 6 == 2

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        self._thread.join(timeout=2)
        self._media.close()


def _udp(host, port):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, port))
    made.settimeout(0.2)
    return made


def _header(text, name):
    return re.search(rf"(?im)^{name}:\s*(.*?)\r?$", text).group(1)
