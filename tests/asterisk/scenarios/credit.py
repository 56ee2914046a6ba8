"""Ten simultaneous INVITEs with credit for one: one rings the carrier, nine are refused.

Once at the client's limit, and once with the reseller's credit short while ten clients are rich.
"""

import time

from rig import world
from rig.claims import nanos
from rig.sipp import Call, Carrier, Phones, finals

# The first block of a call to a mobile: a minute at 0.5 wholesale, 0.6 retail.
BLOCK_RETAIL, BLOCK_WHOLESALE = "0.6", "0.5"


def run(rig, claims):
    _ten(rig, claims, "client", [world.CLIENT] * 10, (BLOCK_RETAIL, "100"), "no_credit", 403)
    _ten(rig, claims, "reseller", list(world.CLIENTS), ("100", BLOCK_WHOLESALE), "no_wholesale_credit", 503)


def _ten(rig, claims, limited, callers, credit, reason, code):
    engine = rig.engine(f"credit-{limited}")
    world.build(engine, rig.folder, clients=dict.fromkeys(callers), client_credit=credit[0], reseller_credit=credit[1])
    engine.start()
    carriers = [Carrier(rig.logs, "carrier-a", ring_ms=2500), Carrier(rig.logs, "carrier-b", ring_ms=2500)]
    phone = Phones(rig.logs, [Call(caller, world.MOBILE, talk_ms=1000) for caller in callers], rate=1000)
    time.sleep(1.5)
    held = {login: world.wallet(engine, login)[1] for login in {*callers, world.RESELLER}}
    codes = sorted(finals(phone.wait()).values())
    claims.equal(f"with the {limited}'s credit for one, one call is answered and nine get {code}",
                 codes, [200] + [code] * 9)
    claims.equal("the carriers were rung once in all", sum(len(carrier.invites()) for carrier in carriers), 1)
    cdr = engine.book.wait_cdrs(1, disposition="answered")[0]
    engine.book.wait_cdrs(9, disposition="refused")
    claims.equal(f"nine are recorded as {reason}", engine.book.refusals(), {reason: 9})
    claims.equal("while it rang, a minute was held at the reseller", held.pop(world.RESELLER), nanos(BLOCK_WHOLESALE))
    claims.equal("and at one client only", [value for value in held.values() if value], [nanos(BLOCK_RETAIL)])
    caller = cdr["endpoint"]
    claims.equal("a minute was charged to both", [payer["charge"] for payer in cdr["payers"]],
                 [nanos(BLOCK_RETAIL), nanos(BLOCK_WHOLESALE)])
    claims.soon("the client paid it and nothing is held", lambda: world.wallet(engine, caller),
                (nanos(credit[0]) - nanos(BLOCK_RETAIL), 0))
    claims.soon("the reseller paid it and nothing is held", lambda: world.wallet(engine, world.RESELLER),
                (nanos(credit[1]) - nanos(BLOCK_WHOLESALE), 0))
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    for carrier in carriers:
        carrier.stop()
    engine.stop()
