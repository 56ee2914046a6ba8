"""First carrier 503, second answers: charged once, bought at the second's price. Both fail; busy; no answer.

After busy and no answer there is no second carrier; what was not answered costs nothing and holds nothing.
"""

from rig import world
from rig.claims import nanos
from rig.sipp import Call, Carrier, Phones, finals

UNAVAILABLE = (503, "Service Unavailable")


def run(rig, claims):
    engine = rig.engine("failover", ring_seconds=3)
    world.build(engine, rig.folder)
    engine.start()
    answered = _call(rig, claims, engine, "a 503 and then an answer",
                     {"refuses": UNAVAILABLE}, {"ring_ms": 100}, Call(world.CLIENT, world.BERLIN, talk_ms=1500),
                     200, (1, 1), "answered")
    claims.equal("it was charged once", engine.book.count(disposition="answered"), 1)
    claims.equal("it was carried by the second route", (answered["trunk_name"], answered["route"]), ("carrier-b", 2))
    claims.equal("both tries are recorded", [(a["route"], a["dial_status"], a["cause"]) for a in answered["attempts"]],
                 [(1, "CONGESTION", 34), (2, "ANSWER", 16)])
    # 0.05 USD a minute in blocks of six seconds, at 0.9.
    claims.equal("it was bought at the second's price, converted", answered["buy_price"], nanos("0.045"))
    claims.equal("the buy cost to the nano", answered["buy_cost"],
                 world.charge("0.045", 0, answered["answered_ms"], decimals=6, initial_block=6, increment=6))
    claims.equal("the deck's own currency is told", (answered["buy_currency"], float(answered["buy_fx_rate"])),
                 ("USD", 0.9))
    spent = [payer["charge"] for payer in answered["payers"]]

    for title, first, second, call, code, rung, disposition in (
        ("two 503s", {"refuses": UNAVAILABLE}, {"refuses": UNAVAILABLE}, Call(world.CLIENT, world.BERLIN), 503, (1, 1),
         "failed"),
        ("busy", {"refuses": (486, "Busy Here")}, {}, Call(world.CLIENT, world.BERLIN), 486, (1, 0), "busy"),
        ("no answer", {"answers": False}, {}, Call(world.CLIENT, world.BERLIN), 480, (1, 0), "no_answer"),
        ("declined everywhere (603)", {"refuses": (603, "Decline")}, {}, Call(world.CLIENT, world.BERLIN), 403, (1, 0),
         "failed"),
        ("a caller who gives up", {"answers": False}, {}, Call(world.CLIENT, world.BERLIN, patience_ms=1000), 487,
         (1, 0), "cancelled"),
    ):
        cdr = _call(rig, claims, engine, title, first, second, call, code, rung, disposition)
        claims.equal(f"{title}: no charge and no cost", ([p["charge"] for p in cdr["payers"] if p["charge"]],
                                                         cdr["buy_cost"] or 0, cdr["answered_ms"]), ([], 0, 0))
        for position, login in enumerate((world.CLIENT, world.RESELLER)):
            claims.soon(f"{title}: the hold of {login} is gone", lambda login=login: world.wallet(engine, login),
                        (nanos(100) - spent[position], 0))
    rig.asterisk.cli("dialplan set global TG_NEXT_ROUTE_CAUSES :17:")
    try:
        _call(rig, claims, engine, "busy, where the operator lists that cause", {"refuses": (486, "Busy Here")}, {},
              Call(world.CLIENT, world.BERLIN, talk_ms=300), 200, (1, 1), "answered")
    finally:
        rig.asterisk.cli('dialplan set global TG_NEXT_ROUTE_CAUSES ""')
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    claims.equal("nothing unsettled is left in Asterisk", rig.asterisk.unsettled(), {})


def _call(rig, claims, engine, title, first, second, call, code, rung, disposition):
    """One call over carriers that behave so; the CDR that it left."""
    before = engine.book.count()
    carriers = [Carrier(rig.logs, "carrier-a", **first), Carrier(rig.logs, "carrier-b", **second)]
    codes = list(finals(Phones(rig.logs, [call]).wait()).values())
    cdr = engine.book.wait_cdrs(before + 1)[-1]
    claims.equal(f"{title}: the phone hears {code}", codes, [code])
    claims.equal(f"{title}: the carriers are rung {rung}", tuple(len(carrier.invites()) for carrier in carriers), rung)
    claims.equal(f"{title}: recorded as {disposition}", cdr["disposition"], disposition)
    for carrier in carriers:
        carrier.stop()
    return cdr
