"""A PostgreSQL of the rig's own: it can be stopped, killed, and have its disk filled."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import net
from .process import Process, RigError, wait_until

# PostgreSQL refuses to run as root.
USER = "postgres"
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"]


class Postgres:
    """One cluster; `size_mb` gives it a disk of its own, in memory."""

    def __init__(self, logs: Path, size_mb=None):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise RigError("PostgreSQL is not installed")
        self._bin = found[-1].parent
        # Not in the rig's folder, which is its owner's alone.
        self._folder = Path(tempfile.mkdtemp(prefix="tollgate-rig-postgres-"))
        self._disk = self._folder / "disk"
        self._log = logs / f"{self._folder.name}.log"
        self._filling = self._disk / "filling"
        self._mounted = size_mb is not None
        self.process = None
        self._disk.mkdir()
        self._folder.chmod(0o755)
        if self._mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(self._disk)], check=True)
        shutil.chown(self._disk, USER)
        self._data = self._disk / "data"
        made = subprocess.run(
            [*AS_USER, str(self._bin / "initdb"), "-D", str(self._data), "-U", USER, "-A", "trust", "--no-sync", "-E",
             "UTF8", "--locale=C.UTF-8"], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if made.returncode != 0:
            raise RigError(f"initdb failed: {made.stderr.decode(errors='replace')[-500:]}")

    def start(self):
        """Starts it, as often as it takes: what an earlier one left behind may still be ending."""
        deadline = time.monotonic() + 30
        while True:
            self.process = Process(
                "postgres", [*AS_USER, str(self._bin / "postgres"), "-D", str(self._data), "-c",
                             f"listen_addresses={net.ASTERISK}", "-c", f"port={net.POSTGRES_PORT}", "-c",
                             "unix_socket_directories=", "-c", "min_wal_size=32MB", "-c", "max_wal_size=64MB"],
                self._log, cwd="/")
            wait_until("PostgreSQL to answer or to end", lambda: self.answers() or not self.process.running(), 30)
            if self.process.running():
                return self
            if time.monotonic() > deadline:
                raise RigError(f"PostgreSQL does not start: {self.process.tail()}")
            time.sleep(0.2)

    def answers(self):
        return subprocess.run(
            [str(self._bin / "psql"), "-X", "-q", "-c", "SELECT 1", self._url("postgres")], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=20, check=False).returncode == 0

    @staticmethod
    def _url(database):
        return f"postgres://{USER}@{net.ASTERISK}:{net.POSTGRES_PORT}/{database}"

    def create(self, database):
        """Makes a database; its URL."""
        self.ask("postgres", f"CREATE DATABASE {database}")
        return self._url(database)

    def ask(self, database, query):
        """The lines of an answer."""
        done = subprocess.run(
            [str(self._bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query, self._url(database)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RigError(f"psql: {done.stderr.decode(errors='replace')[-500:]}")
        return done.stdout.decode().splitlines()

    def stop(self):
        """Ends it as an operator does: connections are cut, what was committed is on disk."""
        self.process.signal(signal.SIGINT)
        self.process.wait(30)

    def kill(self):
        """Ends its first process as a power cut would; the others notice and end by themselves."""
        self.process.kill()

    def kill_a_backend(self):
        """Kills the process that serves one of Tollgate's connections: PostgreSQL then cuts all and recovers."""
        pids = self.ask("postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = 'tollgate' LIMIT 1")
        if not pids:
            raise RigError("Tollgate has no connection to PostgreSQL")
        os.kill(int(pids[0]), signal.SIGKILL)

    def fill_disk(self):
        """Leaves nothing free; how much that was, in MB."""
        if not self._mounted:
            raise RigError("only a disk of its own is filled")
        written = 0
        with self._filling.open("wb", buffering=0) as file:
            try:
                while True:
                    written += file.write(bytes(1 << 16))
            except OSError:
                pass
        return written >> 20

    def complaints(self):
        """How often it said that its disk is full."""
        return self._log.read_text(errors="replace").count("No space left on device")

    def free_disk(self):
        self._filling.unlink(missing_ok=True)

    def remove(self):
        """Ends it and leaves nothing."""
        if self.process is not None:
            self.process.signal(signal.SIGQUIT)
            self.process.stop(10)
        if self._mounted:
            subprocess.run(["umount", "-l", str(self._disk)], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)
