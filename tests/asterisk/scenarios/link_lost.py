"""The manager link is cut under dozens of metered calls: nothing is lost, nothing is charged twice, nobody overspends."""

import time
from decimal import Decimal

from rig import world
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones

CALLS = 40
SLICE_S = 8
# A second to Hamburg costs 0.01 retail, 0.008333… wholesale.
HAMBURG = "0.5"


def run(rig, claims):
    engine = rig.engine("link-lost", credit={"slice_seconds": SLICE_S})
    world.build(engine, rig.folder, clients=world.CLIENTS, client_credit="1000", reseller_credit="100000")
    engine.start().wait_linked()
    world.warm(engine, world.CLIENTS[:1])
    carriers = [Carrier(rig.logs, name, ring_ms=20, traced=False) for name in ("carrier-a", "carrier-b")]
    calls = [Call(world.CLIENTS[number % len(world.CLIENTS)], world.HAMBURG) for number in range(CALLS // 2)]
    # Half of them hang up while the link is away; the others talk until they are ended.
    short = Phones(rig.logs, [Call(call.user, call.number, talk_ms=7000) for call in calls], seconds=60, traced=False)
    endless = Phones(rig.logs, calls, seconds=60, traced=False)
    wait_until("all calls to be answered", lambda: len(short.answered()) + len(endless.answered()) == CALLS, 20)
    claims.soon("all are metered", lambda: _live(engine, "answered"), CALLS, 10)
    time.sleep(1)
    rig.manager.close()
    lost = time.monotonic()
    wait_until("the link to be away", lambda: not engine.linked(), 10)
    short.wait()
    claims.soon("those that hung up are settled without the link", lambda: engine.book.count(disposition="answered") >= CALLS // 2,
                True, 10)
    endless.wait()
    ended = time.monotonic() - lost
    claims.that("the others ran to what was held and not on (s)", ended < SLICE_S + 10, ended)
    rig.manager.open()
    engine.wait_linked()
    answered = short.answered() + endless.answered()
    claims.soon("every call is in the book", lambda: engine.book.count(disposition="answered")
                + engine.book.count(disposition="credit_exhausted"), CALLS, 15)
    cdrs = [cdr for cdr in engine.book.cdrs() if cdr["disposition"] in ("answered", "credit_exhausted")]
    claims.equal("each once", len({cdr["sip_call_id"] for cdr in cdrs}), len(answered))
    wrong = [cdr for cdr in cdrs if [p["charge"] for p in cdr["payers"]] != [
        world.charge(world.marked_up(HAMBURG), 0, cdr["charged_ms"]), world.charge(HAMBURG, 0, cdr["charged_ms"])]]
    claims.equal("at the price of its seconds, to both payers", wrong, [])
    claims.equal("none outlived what was held by more than Asterisk's timer is late", [
        cdr["overrun_ms"] for cdr in cdrs if cdr["overrun_ms"] > 0 or cdr["answered_ms"] - cdr["charged_ms"] > 500], [])
    claims.soon("no call is open, nothing unsettled is left", lambda: (engine.book.open_calls(), rig.asterisk.unsettled()), (0, {}), 20)
    spent = sum(cdr["payers"][0]["charge"] for cdr in cdrs)
    wallets = [world.wallet(engine, login) for login in world.CLIENTS]
    given = len(world.CLIENTS) * int(Decimal("1000") * 10**9)
    claims.equal("the wallets lack exactly the charges, and hold nothing",
                 (given - sum(balance for balance, _ in wallets), [held for _, held in wallets if held]), (spent, []))
    # With the link back a call outlives its first slices.
    phone = Phones(rig.logs, [Call(world.CLIENT, world.HAMBURG, talk_ms=(2 * SLICE_S + 1) * 1000)], seconds=40)
    phone.wait()
    cdr = engine.book.wait_cdrs(CALLS + 1)[-1]
    claims.between("a call after it is renewed as ever", cdr["charged_ms"], (2 * SLICE_S + 1) * 1000 - 50, (2 * SLICE_S + 2) * 1000)
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    claims.equal("no call key has two records", engine.book.settled_twice(), [])
    for carrier in carriers:
        carrier.stop()


def _live(engine, state):
    return len([call for call in engine.cli("calls", "live")["calls"] if call["state"] == state])
