"""Processes that the rig starts, and only those: each is ended by its own handle."""

import signal
import subprocess
import time
from pathlib import Path


class RigError(Exception):
    """The rig itself could not do its part, as opposed to a claim that did not hold."""


def wait_until(what, holds, seconds=10.0, step=0.05):
    """Waits until `holds()` gives something true and returns it; says what was waited for if it never does."""
    deadline = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise RigError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(step)


class Process:
    """One child process with its output in a file."""

    # All that run, so that a scenario that breaks off leaves none to the next one.
    running_ones = []

    def __init__(self, name, command, output: Path, cwd=None, env=None):
        self.name = name
        self.output = output
        self._file = output.open("ab")
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._file, stderr=self._file, cwd=cwd, env=env,
            start_new_session=True,
        )
        Process.running_ones.append(self)

    @property
    def pid(self):
        return self._child.pid

    def running(self):
        return self._child.poll() is None

    def signal(self, number):
        if self.running():
            self._child.send_signal(number)

    def wait(self, seconds):
        """The exit status; an error if it does not end in time."""
        try:
            return self._child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RigError(f"{self.name} did not end within {seconds:g} s; its output: {self.tail()}") from None

    def stop(self, seconds=10.0):
        """Asks it to end, and ends it if it does not."""
        if self.running():
            self._child.send_signal(signal.SIGCONT)
            self._child.terminate()
            try:
                self._child.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._file.close()
        if self in Process.running_ones:
            Process.running_ones.remove(self)
        return self._child.returncode

    def kill(self):
        """Ends it as a power cut would."""
        if self.running():
            self._child.kill()
        self._child.wait(timeout=10)

    def tail(self, lines=15):
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])
