"""All scenarios in little time: side by side in lanes, each with a network and an Asterisk of its own."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# One turn after the other; the lanes of a turn run at the same time. Most scenarios wait most of the time; the ones that
# load the machine have it to themselves.
TURNS = (
    ((1, 2, 3, 4, 5, 6, 7, 9, 10, 16), (11, 14, 17), (12, 13), (15, 22, 23)),
    ((8,),),
    ((18,),),
    ((20,),),
    ((21,),),
)


def run(program: Path, binary: Path, keep, scenarios):
    """Runs all of `scenarios`; (passed, failed, what failed in words)."""
    planned = sorted(number for turn in TURNS for lane in turn for number in lane)
    if planned != sorted(scenarios):
        raise AssertionError(f"the lanes run {planned}, there are {sorted(scenarios)}")
    passed, failed, summary = 0, 0, []
    for turn in TURNS:
        began = time.monotonic()
        lanes = [_Lane(program, binary, keep, lane) for lane in turn]
        for lane in lanes:
            text = lane.wait()
            print(text, flush=True)
            found = re.search(r"(?m)^(\d+) passed, (\d+) failed$", text)
            if found:
                passed, failed = passed + int(found.group(1)), failed + int(found.group(2))
            else:
                failed += len(lane.numbers)
                summary.append(f"  the lane of scenarios {', '.join(map(str, lane.numbers))} broke off")
            summary += re.findall(r"(?m)^  scenario .*(?:passed|FAILED)$|^      .*$|^  logs, .*$",
                                  text.rsplit("the real-Asterisk rig:", 1)[-1]) if found else []
        print(f"\nscenarios {' | '.join(' '.join(map(str, lane)) for lane in turn)}: {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed, summary


class _Lane:
    def __init__(self, program, binary, keep, numbers):
        self.numbers = numbers
        self._output = tempfile.TemporaryFile()
        # Ends with this process, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-B", str(program), "--bin", str(binary)]
        command += ["--keep"] if keep else []
        self._child = subprocess.Popen(
            [*command, *map(str, numbers)], stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT)

    def wait(self):
        """What it printed, once it has ended."""
        self._child.wait()
        self._output.seek(0)
        return self._output.read().decode(errors="replace")
