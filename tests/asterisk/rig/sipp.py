"""sipp as phones and as carriers. Scenarios are written from here, so that one place knows their SIP."""

import itertools
import signal
from dataclasses import dataclass
from pathlib import Path

from . import net, sip
from .process import Process, RigError

# What Asterisk may refuse a call with. 401 is not among them: it is the challenge.
REFUSALS = (400, 403, 404, 408, 410, 420, 480, 482, 484, 486, 487, 488, 500, 501, 502, 503, 504, 580, 600, 603)
SDP = """\
v=0
o=rig 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
_number = itertools.count(1)


def _send(text, **attributes):
    listed = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"  <send{listed}><![CDATA[\n\n{text}\n]]></send>\n"


def _log(word):
    return f'    <action><log message="{word} [call_id]"/></action>\n'


def _scenario(name, body):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{name}">\n{body}</scenario>\n'


@dataclass(frozen=True)
class Call:
    """A call that a phone is to make."""

    user: str
    number: str
    # The user part of From; the user itself unless told.
    caller: str = None
    # How long to talk before hanging up; None: until the far end hangs up.
    talk_ms: int = None
    # How long to let it ring before giving up; None: for ever.
    patience_ms: int = None
    # The display name of From, as it stands between the quotes; and further header lines.
    display: str = ""
    headers: tuple = ()


def _manner(call):
    return call.talk_ms, call.patience_ms, call.display, call.headers


def _from(display):
    name = f'"{display}" ' if display else ""
    return f"From: {name}<sip:[field2]@[local_ip]:[local_port]>;tag=[pid]p[call_number]\n"


def _invite(cseq, call, authentication):
    return (
        "INVITE sip:[field1]@[remote_ip]:[remote_port] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "Max-Forwards: 70\n"
        f"{_from(call.display)}"
        "To: <sip:[field1]@[remote_ip]:[remote_port]>\n"
        "Call-ID: [call_id]\n"
        f"CSeq: {cseq} INVITE\n"
        "Contact: <sip:phone@[local_ip]:[local_port]>\n"
        f"{authentication}{''.join(line + chr(10) for line in call.headers)}"
        "Content-Type: application/sdp\nContent-Length: [len]\n\n" + SDP)


def _in_dialog(method, cseq, call, via, target="[next_url]"):
    return (
        f"{method} {target} SIP/2.0\n{via}\nMax-Forwards: 70\n{_from(call.display)}[last_To:]\n"
        f"Call-ID: [call_id]\nCSeq: {cseq} {method}\nContent-Length: 0\n\n")


_NEW_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"
_OLD_URI = "sip:[field1]@[remote_ip]:[remote_port]"
_OK = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n"


def _phone(authenticates, call):
    """Calls, answers the challenge if it has a password, takes what comes, hangs up or waits for that."""
    cseq = 2 if authenticates else 1
    body = ""
    if authenticates:
        body += _send(_invite(1, call, ""), retrans=500)
        body += '  <recv response="100" optional="true"/>\n'
        # An Asterisk that cannot read the peer just now.
        body += '  <recv response="500" optional="true" next="unread"/>\n  <recv response="401" auth="true"/>\n'
        body += _send(_in_dialog("ACK", 1, call, "[last_Via:]", _OLD_URI))
    body += _send(_invite(cseq, call, "[field3]\n" if authenticates else ""), retrans=500)
    # sipp waits at the first of these, and after a provisional answer at the one behind it: the patience stands on each.
    patience = f' timeout="{call.patience_ms}" ontimeout="cancel"' if call.patience_ms is not None else ""
    for code in (100, 180, 183):
        body += f'  <recv response="{code}" optional="true"{patience}/>\n'
    for code in REFUSALS if authenticates else (401, *REFUSALS):
        body += f'  <recv response="{code}" optional="true" next="refused"{patience}/>\n'
    body += f'  <recv response="200" rrs="true"{patience}>\n{_log("answered")}  </recv>\n'
    body += _send(_in_dialog("ACK", cseq, call, _NEW_VIA))
    talk = f' timeout="{call.talk_ms}" ontimeout="hangup"' if call.talk_ms is not None else ""
    body += f'  <recv request="BYE"{talk}/>\n' + _send(_OK, next="end")
    body += '  <label id="hangup"/>\n'
    body += _send(_in_dialog("BYE", cseq + 1, call, _NEW_VIA), retrans=500)
    body += '  <recv response="200" next="end"/>\n'
    body += '  <label id="cancel"/>\n'
    # CANCEL has the branch of the INVITE, which the provisional answer carries.
    body += _send(
        f"CANCEL {_OLD_URI} SIP/2.0\n[last_Via:]\nMax-Forwards: 70\n{_from(call.display)}"
        f"To: <{_OLD_URI}>\nCall-ID: [call_id]\nCSeq: {cseq} CANCEL\nContent-Length: 0\n\n", retrans=500)
    body += '  <recv response="200"/>\n  <recv response="487"/>\n'
    body += '  <label id="refused"/>\n' + _send(_in_dialog("ACK", cseq, call, "[last_Via:]", _OLD_URI), next="end")
    if authenticates:
        body += '  <label id="unread"/>\n' + _send(_in_dialog("ACK", 1, call, "[last_Via:]", _OLD_URI))
    body += '  <label id="end"/>\n'
    return _scenario("phone", body)


class Phones:
    """sipp making calls."""

    def __init__(self, logs: Path, calls, host=None, authenticates=True, rate=50, together=None, seconds=60,
                 traced=True, most=None):
        """Makes each of `calls` once; or, with `most`, all of them over and over until so many were made."""
        name = f"phone-{next(_number)}"
        self.trace = logs / f"{name}.messages"
        self.wanted = most or len(calls)
        self._answered_file = logs / f"{name}.answered"
        first = calls[0]
        if any(_manner(call) != _manner(first) for call in calls):
            raise RigError("the calls of one sipp differ in user, number and caller only")
        scenario = logs / f"{name}.xml"
        scenario.write_text(_phone(authenticates, first))
        data = logs / f"{name}.csv"
        rows = [
            f"{call.user};{call.number};{call.user if call.caller is None else call.caller};"
            f"[authentication username={call.user} password={net.PASSWORD}]"
            for call in calls
        ]
        data.write_text("SEQUENTIAL\n" + "\n".join(rows) + "\n")
        self.counts_file = logs / f"{name}.counts"
        command = [
            "sipp", f"{net.ASTERISK}:{net.SIP_PORT}", "-sf", str(scenario), "-inf", str(data),
            "-i", host or net.PHONE, "-p", str(net.PHONE_PORT + next(_number)), "-mi", host or net.PHONE,
            "-m", str(self.wanted), "-r", str(rate), "-l", str(together or max(len(calls), 10)), "-nostdin",
            "-timeout", f"{seconds}s", "-timeout_error", "-trace_err", "-error_file", str(logs / f"{name}.errors"),
            "-trace_logs", "-log_file", str(self._answered_file),
            "-trace_stat", "-stf", str(self.counts_file), "-fd", "1",
            # Far from Asterisk's RTP, and from that of other phones.
            "-mp", str(30000 + 4 * next(_number)),
        ]
        if traced:
            command += ["-trace_msg", "-message_file", str(self.trace)]
        self._seconds = seconds
        self._process = Process(name, command, logs / f"{name}.out")

    def wait(self):
        """Waits until all calls are over and returns the trace's messages."""
        status = self._process.wait(self._seconds + 10)
        if status not in (0, 1):
            raise RigError(f"sipp ended with status {status}: {self._process.tail()}")
        return self.messages()

    def running(self):
        return self._process.running()

    def messages(self):
        return sip.messages(self.trace)

    def answered(self):
        """The Call-IDs of the calls that were answered, in the order of their answers."""
        if not self._answered_file.exists():
            return []
        lines = self._answered_file.read_text(errors="replace").splitlines()
        return [line.split(" ", 1)[1].strip() for line in lines if line.startswith("answered ")]

    def finish(self):
        """Makes no further calls, and waits until those that are being made are over."""
        self._process.signal(signal.SIGUSR1)
        return self._process.wait(self._seconds)

    def counts(self):
        """The last line of sipp's own statistics, by column."""
        lines = self.counts_file.read_text().splitlines()
        return dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))

    def stop(self):
        self._process.stop(2)


def finals(messages, challenge_counts=False):
    """The final answer of each call of a phone's trace: {Call-ID: code}; 0 for none. A challenge is one only where the
    phone does not answer it (`challenge_counts`)."""
    found = {}
    for message in messages:
        if message.method == "INVITE" and message.sent:
            found.setdefault(message.call_id, 0)
        elif message.code >= 200 and (challenge_counts or message.code != 401) and message.header("CSeq").endswith("INVITE"):
            found[message.call_id] = message.code
    return found


_REMEMBER = (
    "    <action>\n"
    '      <ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>\n'
    '      <ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>\n'
    '      <ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>\n'
    '      <ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>\n'
    "    </action>\n")
_USED = '  <Reference variables="cseq,from,to,via"/>\n'


def _response(code, reason, sdp=False):
    """An answer to the INVITE that was remembered, whatever came since."""
    head = (
        f"SIP/2.0 {code} {reason}\nVia:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]c[call_number]\n[last_Call-ID:]\n"
        "CSeq: [$cseq] INVITE\nContact: <sip:carrier@[local_ip]:[local_port]>\n")
    if sdp:
        return head + "Content-Type: application/sdp\nContent-Length: [len]\n\n" + SDP
    return head + "Content-Length: 0\n\n"


def _carrier(ring_ms, answers, talk_ms, code, reason):
    body = f'  <recv request="INVITE" rrs="true">\n{_REMEMBER}  </recv>\n'
    body += _send(_response(100, "Trying"))
    if code is not None:
        body += _send(_response(code, reason), retrans=500) + '  <recv request="ACK"/>\n'
        return _scenario("carrier", body + _USED)
    body += _send(_response(180, "Ringing"))
    ring = f' timeout="{max(ring_ms, 1)}" ontimeout="answer"' if answers else ""
    body += f'  <recv request="CANCEL"{ring}/>\n' + _send(_OK)
    body += _send(_response(487, "Request Terminated"), retrans=500) + '  <recv request="ACK" next="end"/>\n'
    body += '  <label id="answer"/>\n' + _send(_response(200, "OK", sdp=True), retrans=500)
    body += '  <recv request="ACK"/>\n'
    talk = f' timeout="{talk_ms}" ontimeout="hangup"' if talk_ms is not None else ""
    body += f'  <recv request="BYE"{talk}/>\n' + _send(_OK, next="end")
    body += '  <label id="hangup"/>\n' + _send(
        "BYE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70\n"
        "From:[$to];tag=[pid]c[call_number]\nTo:[$from]\n[last_Call-ID:]\nCSeq: 1 BYE\nContent-Length: 0\n\n",
        retrans=500)
    body += '  <recv response="200"/>\n  <label id="end"/>\n'
    return _scenario("carrier", body + _USED)


class Carrier:
    """sipp as a carrier behind a trunk."""

    def __init__(self, logs: Path, trunk, ring_ms=50, answers=True, talk_ms=None, refuses=None, traced=True):
        """Rings for `ring_ms`, then answers (unless told not to) and hangs up after `talk_ms` (None: waits for BYE);
        or refuses with `(code, reason)`."""
        name = f"{trunk}-{next(_number)}"
        self.trunk = trunk
        self.trace = logs / f"{name}.messages"
        code, reason = refuses or (None, None)
        scenario = logs / f"{name}.xml"
        scenario.write_text(_carrier(ring_ms, answers, talk_ms, code, reason))
        command = [
            "sipp", "-sf", str(scenario), "-i", net.CARRIERS[trunk], "-p", str(net.CARRIER_PORT), "-mi",
            net.CARRIERS[trunk], "-nostdin", "-trace_err", "-error_file", str(logs / f"{name}.errors"),
            "-mp", "40000",
        ]
        if traced:
            command += ["-trace_msg", "-message_file", str(self.trace)]
        self._process = Process(name, command, logs / f"{name}.out")

    def messages(self):
        return sip.messages(self.trace)

    def invites(self):
        """The calls that reached this carrier: the first INVITE of each."""
        seen = {}
        for message in self.messages():
            if message.method == "INVITE" and not message.sent:
                seen.setdefault(message.call_id, message)
        return list(seen.values())

    def talked_ms(self):
        """For each answered call, the time from our 200 to the first BYE, as the carrier bills it."""
        answered, talked = {}, {}
        for message in self.messages():
            if message.code == 200 and message.sent and message.header("CSeq").endswith("INVITE"):
                answered.setdefault(message.call_id, message.at)
            elif message.method == "BYE" and message.call_id in answered and message.call_id not in talked:
                talked[message.call_id] = (message.at - answered[message.call_id]).total_seconds() * 1000
        return list(talked.values())

    def stop(self):
        if not self._process.running():
            raise RigError(f"the carrier {self.trunk} ended by itself: {self._process.tail()}")
        self._process.stop(2)


def _register(expires):
    def send(cseq, authentication):
        return _send(
            "REGISTER sip:[remote_ip]:[remote_port] SIP/2.0\n"
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
            "Max-Forwards: 70\n"
            "From: <sip:[field0]@[remote_ip]>;tag=[pid]r[call_number]\n"
            "To: <sip:[field0]@[remote_ip]>\n"
            "Call-ID: [call_id]\n"
            f"CSeq: {cseq} REGISTER\n"
            "Contact: <sip:[field0]@[local_ip]:[local_port]>\n"
            f"Expires: {expires}\n{authentication}Content-Length: 0\n\n", retrans=500)
    body = send(1, "")
    body += '  <recv response="100" optional="true"/>\n  <recv response="401" auth="true"/>\n'
    body += send(2, "[field1]\n")
    body += '  <recv response="100" optional="true"/>\n'
    for code in (401, 403, 404, 503):
        body += f'  <recv response="{code}" optional="true" next="end"/>\n'
    body += '  <recv response="200"/>\n  <label id="end"/>\n'
    return _scenario("register", body)


def register(logs: Path, user, password=net.PASSWORD, expires=600, host=None):
    """Registers a phone (or, with `expires` 0, ends its registration); the final answer's code."""
    name = f"register-{next(_number)}"
    scenario = logs / f"{name}.xml"
    scenario.write_text(_register(expires))
    data = logs / f"{name}.csv"
    data.write_text(f"SEQUENTIAL\n{user};[authentication username={user} password={password}]\n")
    trace = logs / f"{name}.messages"
    process = Process(name, [
        "sipp", f"{net.ASTERISK}:{net.SIP_PORT}", "-sf", str(scenario), "-inf", str(data), "-i", host or net.PHONE,
        "-p", str(net.PHONE_PORT + next(_number)), "-m", "1", "-nostdin", "-timeout", "10s", "-timeout_error",
        "-trace_err", "-error_file", str(logs / f"{name}.errors"), "-trace_msg", "-message_file", str(trace),
    ], logs / f"{name}.out")
    process.wait(20)
    process.stop()
    codes = [message.code for message in sip.messages(trace) if message.code >= 200]
    return codes[-1] if codes else 0
