"""A real Asterisk, run from its Debian root with the repository's own `asterisk-conf/`.

Only files of `site/` are replaced: they are the ones that the owner of a box edits.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from . import net
from .process import Process, RigError, wait_until

CONF = Path(__file__).resolve().parents[3] / "asterisk-conf"


class Asterisk:
    """One Asterisk with directories of its own inside the shared root."""

    def __init__(self, root: Path, name: str, logs: Path, accounts, ip_peers=None):
        self.root = root
        self.name = name
        self.logs = logs
        # The path as Asterisk sees it, and as the rig does.
        self.inside = Path("/rig") / f"{name}-{secrets.token_hex(4)}"
        self.outside = root / str(self.inside).lstrip("/")
        self.process = None
        self._write(accounts, ip_peers or {})

    def _write(self, accounts, ip_peers):
        # What runs that were killed have left.
        for old in self.outside.parent.glob("*"):
            if old.stat().st_mtime < time.time() - 86_400:
                shutil.rmtree(old, ignore_errors=True)
        etc = self.outside / "etc"
        shutil.copytree(CONF, etc)
        for part in ("lib", "log", "run", "spool"):
            (self.outside / part).mkdir()
        modules = next(self.root.glob("usr/lib/*/asterisk/modules"), None)
        if modules is None:
            raise RigError(f"{self.root} holds no Asterisk modules")
        directories = {
            "astetcdir": self.inside / "etc", "astmoddir": "/" + str(modules.relative_to(self.root)),
            "astvarlibdir": "/var/lib/asterisk", "astdatadir": "/usr/share/asterisk", "astkeydir": self.inside / "lib",
            "astagidir": self.inside / "lib", "astcachedir": self.inside / "lib", "astdbdir": self.inside / "lib",
            "astspooldir": self.inside / "spool", "astrundir": self.inside / "run", "astlogdir": self.inside / "log",
        }
        # Asterisk reads this one file before it knows its own folder, and seeks what it includes in /etc/asterisk.
        own = (etc / "asterisk.conf").read_text().replace("#include site/", f"#include {self.inside}/etc/site/")
        listed = "".join(f"{key} => {value}\n" for key, value in directories.items())
        (etc / "asterisk.conf").write_text(f"[directories]\n{listed}\n{own}")
        site = etc / "site"
        (site / "system.conf").write_text(f"systemname = {self.name}\nmaxcalls = 2000\n")
        self._replace(site / "globals.conf", {"TG_AGI": f"{net.ASTERISK}:{net.AGI_PORT}"})
        (site / "transports.conf").write_text(
            f"[transport-udp]\ntype = transport\nprotocol = udp\nbind = {net.ASTERISK}:{net.SIP_PORT}\n")
        (site / "trunks.conf").write_text("".join(_trunk(name, host) for name, host in net.CARRIERS.items()))
        # Peers come from Tollgate; these ones are kept by hand.
        (site / "peers.conf").write_text(
            "".join(_account(name) for name in accounts)
            + "".join(_ip_peer(name, host) for name, host in ip_peers.items()))
        here = f"http://{net.ASTERISK}:{net.REALTIME_RELAY_PORT}/realtime"
        (site / "realtime.conf").write_text("".join(
            f"{family} => curl,{here}/{family}\n"
            for family in ("ps_endpoints", "ps_auths", "ps_aors", "ps_endpoint_id_ips")))
        (site / "realtime-token.conf").write_text(f"userpwd = tollgate:{net.REALTIME_TOKEN}\n")
        (site / "manager.conf").write_text(f"[tollgate](tg-engine)\nsecret = {net.MANAGER_SECRET}\n")
        owner = pwd_of(self.root, "asterisk")
        for path in [self.outside, *self.outside.rglob("*")]:
            os.chown(path, *owner)

    @staticmethod
    def _replace(path: Path, values):
        """Sets `KEY = value` lines, each of which must be there once."""
        text = path.read_text()
        for key, value in values.items():
            text, count = re.subn(rf"(?m)^{key} =.*$", f"{key} = {value}", text)
            if count != 1:
                raise RigError(f"{path} has {count} lines that set {key}")
        path.write_text(text)

    @staticmethod
    def conf(name):
        """A file of the repository's configuration, as it ships."""
        return (CONF / name).read_text()

    @contextmanager
    def without_agi(self, values):
        """The same dialplan with its two AGI lines replaced by fixed values: what it carries by itself."""
        path = self.outside / "etc" / "extensions.conf"
        own = path.read_text()
        fixed = ",".join(f"{key}={value}" for key, value in values.items())
        text, first = re.subn(r"(?m)AGI\(agi://\$\{TG_AGI\}/authorize,.*\)$", lambda _: f"MSet({fixed})", own)
        text, second = re.subn(r"(?m)AGI\(agi://\$\{TG_AGI\}/settle,.*\)$", "Set(TG_SETTLED=1)", text)
        if (first, second) != (1, 1):
            raise RigError(f"extensions.conf has {first} authorize and {second} settle lines, not one of each")
        path.write_text(text)
        self.cli("dialplan reload")
        try:
            yield
        finally:
            path.write_text(own)
            self.cli("dialplan reload")

    def asking(self, address):
        """The same dialplan with Tollgate's FastAGI at another address."""
        return self.with_globals(TG_AGI=address)

    @contextmanager
    def with_globals(self, **values):
        """The same dialplan with other values in `site/globals.conf`."""
        path = self.outside / "etc" / "site" / "globals.conf"
        own = path.read_text()
        self._replace(path, values)
        self.cli("dialplan reload")
        try:
            yield
        finally:
            path.write_text(own)
            self.cli("dialplan reload")

    def start(self):
        conf = str(self.inside / "etc" / "asterisk.conf")
        self.process = Process(
            "asterisk", ["chroot", str(self.root), "/usr/sbin/asterisk", "-f", "-U", "asterisk", "-G", "asterisk", "-C", conf],
            self.logs / f"asterisk-{self.name}.out")
        try:
            wait_until("Asterisk to be booted", lambda: "fully booted" in self.cli("core waitfullybooted"), 30)
        except RigError as error:
            raise RigError(f"{error}; its output: {self.process.tail()}") from error
        return self

    def kill(self):
        """Ends it as a power cut would; `start` starts it anew with what it had on its disk."""
        self.process.kill()
        self.process.stop()

    def cli(self, command):
        """What the console answers to a command."""
        conf = str(self.inside / "etc" / "asterisk.conf")
        done = subprocess.run(
            ["chroot", str(self.root), "/usr/sbin/asterisk", "-C", conf, "-rx", command],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
        return (done.stdout + done.stderr).decode(errors="replace")

    def running(self):
        return self.process is not None and self.process.running()

    def freeze(self):
        """It keeps its ports and its connections, and says nothing."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def channels(self):
        """The names of the channels that are there now."""
        return [line.split("!", 1)[0] for line in self.cli("core show channels concise").splitlines() if "!" in line]

    def unsettled(self):
        """The records of ended calls that no settlement removed: {`<unique id>.<leg>`: fields}."""
        found = {}
        for line in self.cli("database show tg_unsettled").splitlines():
            match = re.match(r"^/tg_unsettled/(\S+)\s*: (.*?)\s*$", line)
            if match:
                found[match.group(1)] = match.group(2).split("|")
        return found

    def forget_unsettled(self):
        """What one scenario left on purpose is not the next one's."""
        self.cli("database deltree tg_unsettled")

    def forget_peers(self):
        """Nor is what one scenario's Tollgate told of peers."""
        for cache in ("endpoint", "auth", "aor", "identify"):
            self.cli(f"sorcery memory cache expire res_pjsip/{cache}")
        self.cli("database deltree registrar/contact")

    def contacts(self, name):
        """The contacts that are registered as a peer."""
        return re.findall(rf"(?m)^/registrar/contact/{re.escape(name)};@\w+", self.cli("database show registrar/contact"))

    def log(self):
        path = self.outside / "log" / "messages.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        if self.process is None:
            return
        if self.process.running():
            self.cli("core stop now")
            try:
                self.process.wait(5)
            except RigError:
                pass
        self.process.stop()
        log = self.outside / "log" / "messages.log"
        if log.exists():
            shutil.copy(log, self.logs / f"asterisk-{self.name}.messages")
        shutil.rmtree(self.outside, ignore_errors=True)


def pwd_of(root: Path, user):
    """A user's ids in the root's own passwd file."""
    for line in (root / "etc" / "passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == user:
            return int(fields[2]), int(fields[3])
    raise RigError(f"{root} has no user {user}")


def _account(name):
    return (
        f"[{name}](tg-account)\nauth = {name}\naors = {name}\n"
        f"[{name}](tg-auth)\nusername = {name}\npassword = {net.PASSWORD}\n"
        f"[{name}](tg-aor)\n\n")


def _ip_peer(name, host):
    return f"[{name}](tg-ip-peer)\n[{name}]\ntype = identify\nendpoint = {name}\nmatch = {host}\n\n"


def _trunk(name, host):
    # With an aor, so that PJSIP/NUMBER@name works too: the emergency trunk is dialled that way.
    return (
        f"[{name}](tg-trunk)\ntransport = transport-udp\naors = {name}\n"
        f"[{name}]\ntype = aor\ncontact = sip:{host}:{net.CARRIER_PORT}\n"
        f"[{name}]\ntype = identify\nendpoint = {name}\nmatch = {host}\n\n")
