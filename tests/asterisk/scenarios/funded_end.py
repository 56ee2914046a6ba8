"""Credit for 5 s of talk: the call ends there, however long it rang, charged at most what was held."""

import time

from rig import world
from rig.claims import nanos
from rig.sipp import Call, Carrier, Phones, finals

SECONDS = 5
# A second to Hamburg costs 0.01 retail.
CREDIT = "0.05"


def run(rig, claims):
    for ring_ms in (50, 6000):
        engine = rig.engine(f"funded-{ring_ms}")
        world.build(engine, rig.folder, client_credit=CREDIT)
        engine.start()
        carriers = [Carrier(rig.logs, "carrier-a", ring_ms=ring_ms), Carrier(rig.logs, "carrier-b")]
        phone = Phones(rig.logs, [Call(world.CLIENT, world.HAMBURG)])
        time.sleep(1)
        claims.between(f"rung {ring_ms} ms: at most the credit is held", world.wallet(engine, world.CLIENT)[1],
                       1, nanos(CREDIT))
        codes = list(finals(phone.wait()).values())
        cdr = engine.book.wait_cdrs(1)[0]
        talked = carriers[0].talked_ms()[0]
        claims.equal(f"rung {ring_ms} ms: the call was answered", codes, [200])
        claims.between(f"rung {ring_ms} ms: the carrier's leg ended at the funded second (ms)", talked,
                       SECONDS * 1000 - 300, SECONDS * 1000 + 300)
        claims.between(f"rung {ring_ms} ms: so says the CDR (ms)", cdr["answered_ms"], SECONDS * 1000 - 350,
                       SECONDS * 1000 + 300)
        claims.between(f"rung {ring_ms} ms: charged at most what was held", cdr["payers"][0]["charge"], 1, nanos(CREDIT))
        claims.equal(f"rung {ring_ms} ms: charged to the nano", cdr["payers"][0]["charge"],
                     world.charge("0.6", 0, cdr["charged_ms"]))
        claims.that(f"rung {ring_ms} ms: neither side hung up", cdr["hung_up_by"] not in ("caller", "callee"),
                    cdr["hung_up_by"])
        claims.soon(f"rung {ring_ms} ms: the wallet is not overdrawn and holds nothing",
                    lambda: (world.wallet(engine, world.CLIENT)[0] >= 0, world.wallet(engine, world.CLIENT)[1]), (True, 0))
        for carrier in carriers:
            carrier.stop()
        engine.stop()
