"""Emergency calls: to their own trunk before anything is asked, free, recorded afterwards, with Tollgate down too."""

from rig import world
from rig.claims import nanos
from rig.sipp import Call, Carrier, Phones, finals


def run(rig, claims):
    engine = rig.engine("emergency")
    world.build(engine, rig.folder, clients=world.CLIENTS[:2], client_credit="0")
    poor, blocked = world.CLIENTS[:2]
    engine.cli("account", "set", blocked, "--block", "1")
    engine.start()
    carriers = {name: Carrier(rig.logs, name, ring_ms=50) for name in ("carrier-a", "emergency")}
    for what, caller in (("without credit", poor), ("for an account that may not call it", blocked)):
        before = engine.book.count()
        codes = finals(Phones(rig.logs, [Call(caller, "112", talk_ms=800)]).wait())
        claims.equal(f"112 is answered {what}", list(codes.values()), [200])
        cdr = engine.book.wait_cdrs(before + 1)[-1]
        claims.equal(f"112 {what} is recorded as an emergency call", (cdr["kind"], cdr["disposition"], cdr["dialled"],
                     cdr["endpoint"]), ("emergency", "answered", "112", caller))
        claims.between(f"112 {what}: with its duration", cdr["answered_ms"], 780, 950)
        claims.equal(f"112 {what} costs nothing", [p["charge"] for p in cdr["payers"] if p["charge"]], [])
        claims.equal(f"112 {what} leaves the wallet alone", world.wallet(engine, caller), (0, 0))
    known = set(rig.asterisk.unsettled())
    world.warm(engine, (poor,))
    engine.stop()
    codes = finals(Phones(rig.logs, [Call(poor, "112", talk_ms=300)]).wait())
    claims.equal("112 is answered with Tollgate down", list(codes.values()), [200])
    claims.soon("and waits in astdb to be recorded",
                lambda: [record[3] for key, record in rig.asterisk.unsettled().items()
                         if key not in known and "kind=emergency" in record[11]], ["ANSWER"])
    claims.equal("all of them went to the emergency trunk, and nowhere else",
                 {name: len(carrier.invites()) for name, carrier in carriers.items()}, {"carrier-a": 0, "emergency": 3})
    engine.start()
    claims.equal("the reseller paid nothing", world.wallet(engine, world.RESELLER), (nanos(100), 0))
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    for carrier in carriers.values():
        carrier.stop()
