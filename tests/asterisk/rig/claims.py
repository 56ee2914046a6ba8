"""Claims: what a scenario says must be so, each shown as it is checked."""

import time
from decimal import Decimal


class Claims:
    """Collects what held and what did not; a claim that fails does not hide the ones after it."""

    def __init__(self):
        self.held = 0
        self.failed = []

    def that(self, claim, holds, found=""):
        """`claim` reads as a sentence; `found` is shown when it does not hold."""
        if holds:
            self.held += 1
            print(f"    ok      {claim}", flush=True)
        else:
            self.failed.append(claim)
            print(f"    FAILED  {claim}{f': {found}' if found != '' else ''}", flush=True)
        return bool(holds)

    def equal(self, claim, found, wanted):
        return self.that(claim, found == wanted, f"{found!r}, not {wanted!r}")

    def between(self, claim, found, low, high):
        return self.that(claim, found is not None and low <= found <= high, f"{found}, not from {low} to {high}")

    def soon(self, claim, find, wanted, seconds=5.0):
        """Waits for `find()` to give `wanted`."""
        deadline = time.monotonic() + seconds
        found = find()
        while found != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
            found = find()
        return self.equal(claim, found, wanted)


def nanos(amount):
    """An amount in decimal text as nano-units."""
    scaled = Decimal(str(amount)) * 10**9
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} is finer than a nano-unit")
    return int(scaled)
