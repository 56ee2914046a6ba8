"""Load that goes on while things break, and what must be so when it is over."""

import os
import time

from . import world
from .process import RigError, wait_until
from .sipp import Call, Carrier, Phones

# Calls are short, so that many of them begin and end around each fault; a grant is short, so that what a fault leaves
# held ends soon.
TALK_MS = 1500
MAX_CALL_S = 20
RING_S = 10
CREDIT = {"max_call_seconds": MAX_CALL_S}
# The longest that a hold may be left: the call, its ringing, the minute of grace, and the sweeps in between.
HOLD_S = MAX_CALL_S + RING_S + 60
SWEEP_S = 15


def asked(name, otherwise):
    """A number from the environment: the long forms of the proofs set them."""
    return int(os.environ.get(f"TOLLGATE_RIG_{name}", otherwise))


class Load:
    """Calls at a steady rate from many phones, until told to end."""

    def __init__(self, rig, rate, seconds):
        self._carriers = [Carrier(rig.logs, name, ring_ms=20, traced=False) for name in ("carrier-a", "carrier-b")]
        self._phones = Phones(
            rig.logs, [Call(client, world.BERLIN, talk_ms=TALK_MS) for client in world.CLIENTS], rate=rate,
            together=2000, seconds=seconds, traced=False, most=rate * seconds)
        self._began = time.monotonic()
        self.seconds = 0

    def end(self):
        """Lets the calls that are up end as they wish; (made, answered Call-IDs, failed)."""
        if not self._phones.running():
            raise RigError("the load ended before it was told to: the rig allowed it too little time")
        self._phones.finish()
        self.seconds = time.monotonic() - self._began
        for carrier in self._carriers:
            carrier.stop()
        counts = self._phones.counts()
        return int(counts["TotalCallCreated"]), self._phones.answered(), int(counts["FailedCall(C)"])


def build(engine, rig):
    world.build(engine, rig.folder, clients=world.CLIENTS, client_credit="100000", reseller_credit="1000000")


def settled(rig, claims, engine, answered, patience=30):
    """What must be so of every call that was answered, whatever broke meanwhile."""
    claims.soon("nothing unsettled is left in Asterisk", rig.asterisk.unsettled, {}, patience)
    claims.soon("nothing is left in the spool", lambda: engine.metrics()["tollgate_spool_records"], 0, patience)

    def missing():
        return [call for call, times in engine.book.calls_of(answered).items() if times == 0]

    claims.soon(f"each of the {len(answered)} answered calls is in the book", missing, [], 10)
    claims.equal("and in it once",
                 [call for call, times in engine.book.calls_of(answered).items() if times > 1], [])
    claims.equal("the book has no other answered call", engine.book.count(disposition="answered"), len(set(answered)))
    claims.equal("no call key has two records", engine.book.settled_twice(), [])
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    claims.equal("and nothing outside of the book", (audit["spooled"], audit["refused"]), (0, 0))
    claims.equal("every transaction sums to zero", engine.book.imbalance(), [])


def released(claims, engine, patience):
    """Every hold ends, and wallets in memory are what the next start reads from the book."""
    def held():
        shown = {login: world.wallet(engine, login)[1] for login in (*world.CLIENTS, world.RESELLER)}
        return {login: amount for login, amount in shown.items() if amount}

    claims.soon("nothing is held any more", held, {}, patience)
    claims.equal("no call is open in the journal", engine.book.open_calls(), 0)
    before = {login: world.wallet(engine, login) for login in (*world.CLIENTS, world.RESELLER)}
    engine.stop()
    engine.start()
    after = {login: world.wallet(engine, login) for login in before}
    claims.equal("the wallets in memory were what the book says", before, after)


def until_drained(engine, seconds=30):
    """Waits until calls are taken and nothing waits for the database; how long that took."""
    began = time.monotonic()

    def drained():
        try:
            return engine.healthy() and engine.metrics()["tollgate_spool_records"] == 0
        except OSError:
            return False

    wait_until("the spool to be drained", drained, seconds)
    return time.monotonic() - began
