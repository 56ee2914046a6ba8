"""A SIP phone of a few lines: one request at a time, its final answer at once. For what must be timed in milliseconds;
whole calls are sipp's."""

import hashlib
import itertools
import re
import secrets
import socket
import time

from . import net

_tag = itertools.count(1)


class Agent:
    """Use with `with`: a UDP socket of its own."""

    def __init__(self, user, password=net.PASSWORD, host=net.PHONE, caller=None):
        self.user, self.password, self.host = user, password, host
        # The user part of From; the user itself unless told.
        self.caller = user if caller is None else caller
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._port = self._socket.getsockname()[1]
        self._call_id = secrets.token_hex(8)
        self._cseq = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def register(self, expires=600):
        """The code of the registrar's final answer; 0 for none."""
        return self._ask("REGISTER", f"sip:{net.ASTERISK}", f"Expires: {expires}\r\n")

    def invite(self, number):
        """The code of the final answer to a call, which is ended at once if it is taken."""
        sdp = ("v=0\r\no=rig 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 39000 RTP/AVP 8\r\n"
               "a=rtpmap:8 PCMA/8000\r\n").format(self.host)
        return self._ask("INVITE", f"sip:{number}@{net.ASTERISK}", "Content-Type: application/sdp\r\n", sdp)

    def _ask(self, method, uri, headers, body=""):
        tag = f"{next(_tag)}a"
        code, answer = self._exchange(method, uri, tag, headers, body)
        if code == 401 and self.password is not None:
            if method == "INVITE":
                self._ack(uri, tag, answer)
            challenge = dict(re.findall(r'(\w+)="([^"]*)"', re.search(r"(?im)^WWW-Authenticate:(.*)$", answer).group(1)))
            code, answer = self._exchange(method, uri, tag, self._authorization(method, uri, challenge) + headers, body)
        if method == "INVITE" and code:
            self._ack(uri, tag, answer)
            if code == 200:
                self._send("BYE", _contact(answer) or uri, tag, "", "", to=_to(answer))
        return code

    def _authorization(self, method, uri, challenge):
        realm, nonce = challenge["realm"], challenge["nonce"]
        ha1, ha2 = _md5(f"{self.user}:{realm}:{self.password}"), _md5(f"{method}:{uri}")
        cnonce = secrets.token_hex(8)
        response = _md5(f"{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}")
        opaque = f', opaque="{challenge["opaque"]}"' if "opaque" in challenge else ""
        return (f'Authorization: Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
                f'response="{response}", algorithm=MD5, cnonce="{cnonce}", nc=00000001, qop=auth{opaque}\r\n')

    def _exchange(self, method, uri, tag, headers, body):
        self._cseq += 1
        wanted = f"{self._cseq} {method}"
        self._send(method, uri, tag, headers, body)
        deadline, resend_s = time.monotonic() + 8, 0.5
        resend = time.monotonic() + resend_s
        while time.monotonic() < deadline:
            self._socket.settimeout(max(min(resend, deadline) - time.monotonic(), 0.001))
            try:
                answer = self._socket.recv(65535).decode(errors="replace")
            except TimeoutError:
                if time.monotonic() < deadline:
                    self._send(method, uri, tag, headers, body)
                    resend_s *= 2
                    resend = time.monotonic() + resend_s
                continue
            code = re.match(r"SIP/2\.0 (\d+)", answer)
            if code is None or re.search(rf"(?im)^CSeq:\s*{re.escape(wanted)}\s*$", answer) is None:
                continue
            resend = deadline
            if int(code.group(1)) >= 200:
                return int(code.group(1)), answer
        return 0, ""

    def _ack(self, uri, tag, answer):
        self._send("ACK", uri, tag, "", "", to=_to(answer))

    def _send(self, method, uri, tag, headers, body, to=None):
        if method == "BYE":
            self._cseq += 1
        address = f"{self.host}:{self._port}"
        target = f"<sip:{self.user}@{net.ASTERISK}>" if method == "REGISTER" else f"<{uri}>"
        # A request and its repetitions have one branch; so has the ACK to a refusal.
        branch = f"z9hG4bK{self._call_id}{self._cseq}{'bye' if method == 'BYE' else ''}"
        text = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{self.caller}@{net.ASTERISK}>;tag={tag}\r\nTo: {to or target}\r\n"
            f"Call-ID: {self._call_id}\r\nCSeq: {self._cseq} {method}\r\nContact: <sip:{self.user}@{address}>\r\n"
            f"{headers}Content-Length: {len(body)}\r\n\r\n{body}")
        self._socket.sendto(text.encode(), (net.ASTERISK, net.SIP_PORT))


def _md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _to(answer):
    return re.search(r"(?im)^To:\s*(.*?)\r?$", answer).group(1)


def _contact(answer):
    found = re.search(r"(?im)^Contact:\s*<([^>]+)>", answer)
    return found.group(1) if found else None
