"""50 calls a second for 60 s through Asterisk: every one in the book, audit clean.

Where this machine cannot carry that, 90 % of what the same dialplan reaches with its AGI replaced by fixed values.
"""

import time

from rig import net, world
from rig.sipp import Call, Carrier, Phones

RATE = 50
SECONDS = 60
# Enough to see what the dialplan alone carries.
CEILING_SECONDS = 20
TALK_MS = 300


def run(rig, claims):
    engine = rig.engine("load")
    world.build(engine, rig.folder, clients=world.CLIENTS, client_credit="100000", reseller_credit="1000000")
    engine.start()
    carriers = [Carrier(rig.logs, name, ring_ms=20, traced=False) for name in ("carrier-a", "carrier-b")]
    calls = RATE * SECONDS
    reached, answered = _drive(rig, calls)
    values = {
        "TG_STATUS": "ALLOW", "TG_LIMIT_MS": 3600000, "TG_RING_S": 60, "TG_TALK_S": 3600, "TG_ROUTES": 1,
        "TG_ROUTE_1": f"PJSIP/carrier-a/sip:${{TG_NUMBER}}@{net.CARRIERS['carrier-a']}:{net.CARRIER_PORT}",
        "TG_TICKET": "A" * 400, "TG_TOKEN": "${UNIQUEID}",
    }
    with rig.asterisk.without_agi(values):
        ceiling, _ = _drive(rig, RATE * CEILING_SECONDS)
    print(f"    {reached:.1f} calls a second with Tollgate, {ceiling:.1f} with fixed values", flush=True)
    claims.that(f"{RATE} calls a second, or 90 % of what fixed values reach, were carried for {SECONDS} s",
                answered == calls and reached >= min(RATE * 0.98, 0.9 * ceiling),
                f"{answered} of {calls} answered, {reached:.1f} a second; fixed values: {ceiling:.1f}")
    claims.soon("every answered call is in the book", lambda: engine.book.count(disposition="answered"), answered, 20)
    claims.equal("and no other call is", engine.book.count(), answered)
    claims.equal("nothing unsettled is left in Asterisk", rig.asterisk.unsettled(), {})
    shown = [world.wallet(engine, login) for login in (*world.CLIENTS, world.RESELLER)]
    claims.equal("nothing is held any more", [held for _, held in shown if held], [])
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    claims.equal("every transaction sums to zero", engine.book.imbalance(), [])
    claims.that("the audit saw every call", audit["calls"] >= answered, audit["calls"])
    for carrier in carriers:
        carrier.stop()


def _drive(rig, calls):
    """Makes the calls at RATE; (calls a second that were carried, calls that were answered and ended in order)."""
    phones = Phones(
        rig.logs, [Call(world.CLIENTS[number % len(world.CLIENTS)], world.BERLIN, talk_ms=TALK_MS)
                   for number in range(calls)],
        rate=RATE, together=2000, seconds=calls / RATE * 3 + 30, traced=False)
    began = time.monotonic()
    phones.wait()
    took = time.monotonic() - began - TALK_MS / 1000
    answered = int(phones.counts()["SuccessfulCall(C)"])
    return answered / took, answered
