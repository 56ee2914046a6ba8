"""The `tollgate` binary with a data folder of its own, driven by its own command line."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

from . import net
from .book import Book, PostgresBook
from .process import Process, RigError, wait_until


class Refused(Exception):
    """A command that ended with status 1: what it printed."""

    def __init__(self, arguments, answer):
        super().__init__(f"tollgate {' '.join(arguments)}: {answer}")
        self.answer = answer


def _section(name, values):
    """A section of the configuration; values as JSON writes them, which TOML reads alike."""
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in (values or {}).items()) + "\n"


class Engine:
    """One deployment: configuration, database, key file, and the server when it is started."""

    def __init__(self, binary: Path, data: Path, logs: Path, name, ring_seconds=60, database=None, credit=None,
                 servers=("rig1",), webphone=None, peers=None, proof_secret=None):
        """`database`: a `Postgres`; an SQLite file in `data` unless told. `credit` sets keys of that section, and
        `webphone` and `peers` of theirs; `servers` are the Asterisk servers it is linked to. `proof_secret` proves its
        answers."""
        self._binary = str(binary)
        self._logs = logs
        self._name = name
        data.mkdir(parents=True)
        self._config = data / "tollgate.toml"
        self.book = PostgresBook(database, name) if database else Book(data / "book.db")
        url = database.create(name) if database else f"sqlite://{data}/book.db"
        self.spool = data / "spool"
        self._config.write_text(
            f'[database]\nurl = "{url}"\n\n'
            f'[ledger]\nspool_dir = "{self.spool}"\n\n'
            f'[secrets]\nkey_file = "{data}/tollgate.key"\n\n'
            f'[fastagi]\nlisten = "{net.ASTERISK}:{net.AGI_PORT}"\n'
            + (f'proof_secret = "{proof_secret}"\n\n' if proof_secret else "\n") +
            f'[http]\nlisten = "{net.ASTERISK}:{net.HTTP_PORT}"\n\n'
            f'[internal]\nlisten = "{net.ASTERISK}:{net.INTERNAL_PORT}"\nmetrics_token = "{net.METRICS_TOKEN}"\n\n'
            f'[realtime]\ntoken = "{net.REALTIME_TOKEN}"\n\n'
            + _section("peers", {"allow_ips": [net.PRIVATE], **(peers or {})})
            + _section("credit", credit) + _section("webphone", webphone) +
            f"[routing]\nring_seconds = {ring_seconds}\n\n"
            + "".join(f'[[asterisk]]\nname = "{server}"\nhost = "{net.ASTERISK}"\nport = {net.MANAGER_RELAY_PORT}\n'
                      f'username = "tollgate"\nsecret = "{net.MANAGER_SECRET}"\n\n' for server in servers))
        # It holds secrets: a server refuses one that every user can read.
        self._config.chmod(0o600)
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("TOLLGATE_")}
        self._process = None

    def start(self):
        if self.running():
            raise RigError("tollgate is running already")
        self._process = Process(
            "tollgate", [self._binary, "serve", "--config", str(self._config)], self._logs / f"tollgate-{self._name}.log",
            env=self._environment)
        try:
            # The ports are bound before the wallets are loaded: health tells when calls are taken.
            wait_until("tollgate to be healthy", lambda: not self._process.running() or self.healthy(), 20)
        except RigError as error:
            raise RigError(f"{error}; its log: {self._process.tail()}") from error
        if not self._process.running():
            raise RigError(f"tollgate ended at its start; its log: {self._process.tail()}")
        return self

    @staticmethod
    def healthy():
        try:
            with urllib.request.urlopen(f"http://{net.ASTERISK}:{net.INTERNAL_PORT}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def running(self):
        return self._process is not None and self._process.running()

    def stop(self):
        """Ends it in order."""
        if self._process is not None:
            self._process.stop(15)

    def kill(self):
        """Ends it as a power cut would."""
        self._process.kill()

    def freeze(self):
        """Its ports stay open and nothing answers."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    def metrics(self):
        """What the running server counts: {name: number}; nothing while nobody answers."""
        asked = urllib.request.Request(
            f"http://{net.ASTERISK}:{net.INTERNAL_PORT}/metrics",
            headers={"Authorization": f"Bearer {net.METRICS_TOKEN}"})
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        return {name: int(float(value)) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def linked(self, server="rig1"):
        """Whether the control link to a server is up."""
        return self.metrics().get(f'tollgate_ami_up{{server="{server}"}}') == 1

    def log(self):
        path = self._logs / f"tollgate-{self._name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def cli(self, *arguments, allowed=(0,), password=None):
        """A command's JSON. Status 1 raises `Refused`, unless it is allowed. A password goes over standard input."""
        arguments = [str(argument) for argument in arguments]
        given = {"stdin": subprocess.DEVNULL}
        if password is not None:
            arguments += ["--password-file", "-"]
            given = {"input": password.encode()}
        done = subprocess.run(
            [self._binary, *arguments, "--config", str(self._config), "--json"], **given,
            capture_output=True, timeout=120, check=False, env=self._environment)
        try:
            answer = json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError as error:
            raise RigError(f"tollgate {' '.join(arguments)} printed no JSON: {done.stdout[:300]!r}") from error
        if done.returncode == 1 and 1 not in allowed:
            raise Refused(arguments, answer if answer is not None else done.stderr.decode(errors="replace")[-500:])
        if done.returncode not in (*allowed, 1):
            raise RigError(f"tollgate {' '.join(arguments)} ended with {done.returncode}: "
                           f"{done.stderr.decode(errors='replace')[-500:]}")
        return answer

    def wait_linked(self):
        wait_until("the manager link to be up", self.linked, 15)
        return self

    def account(self, login):
        return self.cli("account", "show", login)

    def audit(self):
        return self.cli("audit", allowed=(0, 1))
