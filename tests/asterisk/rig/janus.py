"""A real Janus gateway, Debian's own, with a configuration of the rig's; and a browser's part of its HTTP interface."""

import base64
import hashlib
import hmac
import itertools
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from . import net
from .process import Process, RigError, wait_until

SECRET = "rig-janus-token-secret"
PLUGIN = "janus.plugin.sip"
_LIBRARY = Path("/usr/lib")
_transaction = itertools.count(1)


def token(until, plugin=PLUGIN, secret=SECRET):
    """A token as Janus' own documentation signs one: what Tollgate's are compared with, and those that must not open."""
    signed = f"{int(until)},janus,{plugin}"
    tag = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    return f"{signed}:{tag}"


def _give_addresses():
    """All of 127/8 answers, but Janus asks which addresses there are; and ICE takes none of the loopback: it gets one on a
    wire of its own that leads nowhere."""
    wire = "tg-media"
    if not Path(f"/sys/class/net/{wire}").exists():
        _ip("link", "add", wire, "type", "veth", "peer", "name", f"{wire}-far")
        _ip("link", "set", f"{wire}-far", "up")
        _ip("link", "set", wire, "up")
    _ip("address", "replace", f"{net.JANUS}/32", "dev", "lo")
    _ip("address", "replace", f"{net.JANUS_MEDIA}/24", "dev", wire)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Janus:
    """One gateway with the plugins that the scenario needs, which takes signed tokens alone."""

    def __init__(self, folder: Path, logs: Path):
        library = next(_LIBRARY.glob("*/janus"), None)
        if library is None or shutil.which("janus") is None:
            raise RigError("Debian's package janus is not installed (tests/asterisk/install does that)")
        self.server = f"http://{net.JANUS}:{net.JANUS_PORT}/janus"
        self._folder = folder / "janus"
        for kind, modules in (("plugins", ("sip", "echotest")), ("transports", ("http",)), ("events", ()), ("loggers", ())):
            (self._folder / kind).mkdir(parents=True)
            for module in modules:
                name = f"libjanus_{module}.so"
                (self._folder / kind / name).symlink_to(library / kind / name)
        folders = "".join(
            f'\t{kind}_folder = "{self._folder / kind}"\n' for kind in ("plugins", "transports", "events", "loggers"))
        self._conf("janus", f'general: {{\n\tconfigs_folder = "{self._folder}"\n{folders}\tdebug_level = 4\n'
                   f'\ttoken_auth = true\n\ttoken_auth_secret = "{SECRET}"\n}}\n')
        self._conf("janus.transport.http", 'general: {\n\tjson = "compact"\n\tbase_path = "/janus"\n\thttp = true\n'
                   f'\tport = {net.JANUS_PORT}\n\tip = "{net.JANUS}"\n}}\nadmin: {{\n\tadmin_http = false\n}}\n')
        self._conf("janus.plugin.sip", f'general: {{\n\tlocal_ip = "{net.JANUS}"\n\tsdp_ip = "{net.JANUS}"\n'
                   '\trtp_port_range = "22000-22999"\n}\n')
        _give_addresses()
        self._process = Process(
            "janus", ["janus", "-F", str(self._folder), "-C", str(self._folder / "janus.jcfg"), "-o"], logs / "janus.log")
        wait_until("the Janus gateway to listen", lambda: not self._process.running() or self._listens(), 20)
        if not self._process.running():
            raise RigError(f"janus ended at its start: {self._process.tail()}")

    def _conf(self, name, text):
        (self._folder / f"{name}.jcfg").write_text(text)

    @staticmethod
    def _listens():
        with socket.socket() as probe:
            return probe.connect_ex((net.JANUS, net.JANUS_PORT)) == 0

    def ask(self, path, shown, **body):
        """The answer to one request; `shown` is the token, None for none."""
        body["transaction"] = str(next(_transaction))
        if shown is not None:
            body["token"] = shown
        asked = urllib.request.Request(
            self.server + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)

    def code(self, path, shown, **body):
        """0 where a request is granted, else the error's code."""
        answer = self.ask(path, shown, **body)
        return answer["error"]["code"] if answer["janus"] == "error" else 0

    def stop(self):
        self._process.stop(5)


class Browser:
    """A page with a web phone: a session, a handle of the SIP plugin, and what the plugin tells."""

    def __init__(self, janus: Janus, shown):
        self._janus, self._token = janus, shown
        self.session = janus.ask("", shown, janus="create")["data"]["id"]
        self.handle = janus.ask(f"/{self.session}", shown, janus="attach", plugin=PLUGIN)["data"]["id"]
        self.told = []

    def say(self, request, jsep=None, **body):
        more = {"jsep": jsep} if jsep else {}
        return self._janus.ask(f"/{self.session}/{self.handle}", self._token, janus="message",
                               body={"request": request, **body}, **more)

    def register(self, sip):
        """Registers as a `client-softphone-token` says; how the plugin tells that it ended."""
        host = sip["proxy"].removeprefix("sip:").split(":")[0]
        self.say("register", username=f"sip:{sip['username']}@{host}", authuser=sip["authuser"],
                 display_name=sip["display_name"], proxy=sip["proxy"], ha1_secret=sip["ha1_secret"],
                 register_ttl=sip["register_ttl"])
        return self.wait("registered", "registration_failed")

    def call(self, number, host):
        self.say("call", jsep={"type": "offer", "sdp": _offer()}, uri=f"sip:{number}@{host}")

    def wait(self, *events, seconds=15):
        """The first of these that the plugin tells; what else it tells meanwhile is in `told`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in self._poll():
                result = event.get("plugindata", {}).get("data", {}).get("result", {})
                failed = event.get("plugindata", {}).get("data", {}).get("error")
                self.told.append(result.get("event") or failed or event.get("janus"))
                if result.get("event") in events:
                    return result
        raise RigError(f"waited in vain for {' or '.join(events)}; the gateway told {self.told}")

    def _poll(self):
        url = f"{self._janus.server}/{self.session}?maxev=5&token={urllib.request.quote(self._token, safe='')}"
        with urllib.request.urlopen(url, timeout=40) as answer:
            told = json.load(answer)
        return told if isinstance(told, list) else [told]


def _offer():
    """A browser's offer of one audio stream. Nobody is behind its candidate: the signalling is what is looked at."""
    fingerprint = ":".join(["A5"] * 32)
    lines = (
        "v=0", f"o=- 1 1 IN IP4 {net.JANUS}", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=msid-semantic: WMS rig",
        "m=audio 9 UDP/TLS/RTP/SAVPF 8", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendrecv", "a=rtcp-mux",
        "a=ice-ufrag:rigu", "a=ice-pwd:rigrigrigrigrigrigrigrig", f"a=fingerprint:sha-256 {fingerprint}", "a=setup:actpass",
        "a=rtpmap:8 PCMA/8000", "a=msid:rig audio", "a=ssrc:1 cname:rig",
        f"a=candidate:1 1 udp 2130706431 {net.JANUS_MEDIA} 39998 typ host", "a=end-of-candidates",
    )
    return "".join(f"{line}\r\n" for line in lines)
