"""No rate, blocked prefix, inactive account, unknown peer, concurrency limit: refused, recorded, nothing dialled."""

import time

from rig import world
from rig.sipp import Call, Carrier, Phones, finals


def run(rig, claims):
    engine = rig.engine("refused")
    rich, poor, blocked = world.CLIENTS[:3]
    # Asterisk is not told of who is switched off; one that it knows by itself is refused by Tollgate.
    stopped = world.BY_HAND
    world.build(engine, rig.folder, clients=(rich, poor, blocked, stopped))
    engine.cli("account", "set", stopped, "--active", "no")
    engine.cli("account", "set", poor, "--max-calls", 1)
    engine.cli("account", "set", blocked, "--block", "4930")
    engine.start()
    carriers = [Carrier(rig.logs, "carrier-a", ring_ms=300), Carrier(rig.logs, "carrier-b")]
    wanted = {}
    for what, caller, number, reason, code in (
        ("a number that no deck has", rich, world.NOWHERE, "no_rate", 404),
        ("a prefix that the deck blocks", rich, world.MUNICH, "blocked", 403),
        ("a prefix that the account blocks", blocked, world.BERLIN, "blocked", 403),
        ("an inactive account", stopped, world.BERLIN, "inactive", 403),
        ("a peer that Tollgate does not know", world.STRANGER, world.BERLIN, "unknown_peer", 403),
    ):
        codes = list(finals(Phones(rig.logs, [Call(caller, number, talk_ms=500)]).wait()).values())
        wanted[reason] = wanted.get(reason, 0) + 1
        claims.equal(f"{what} is answered {code}", codes, [code])
        claims.soon(f"{what} is recorded as {reason}", engine.book.refusals, dict(wanted))
    claims.equal("nothing was dialled", [len(carrier.invites()) for carrier in carriers], [0, 0])

    first = Phones(rig.logs, [Call(poor, world.BERLIN, talk_ms=2500)])
    time.sleep(1.2)
    second = finals(Phones(rig.logs, [Call(poor, world.BERLIN, talk_ms=500)]).wait())
    claims.equal("a second call past the limit of one is refused", list(second.values()), [503])
    claims.equal("the first goes on", list(finals(first.wait()).values()), [200])
    claims.equal("one call was dialled", sum(len(carrier.invites()) for carrier in carriers), 1)
    third = finals(Phones(rig.logs, [Call(poor, world.BERLIN, talk_ms=300)]).wait())
    claims.equal("with the first over, the next is let through", list(third.values()), [200])
    wanted["call_limit"] = 1
    claims.soon("the second is recorded as call_limit", engine.book.refusals, wanted)
    refused = engine.book.cdrs(disposition="refused")
    claims.that("no refusal has a charge", all(not cdr["payers"] or not any(p["charge"] for p in cdr["payers"])
                                               for cdr in refused))
    claims.that("every refusal names its source", all(cdr["source_address"] == "127.0.2.1" for cdr in refused),
                [cdr["source_address"] for cdr in refused])
    engine.book.wait_cdrs(2, disposition="answered")
    for login in (rich, stopped, poor, blocked, world.RESELLER):
        claims.soon(f"nothing is held by {login}", lambda login=login: world.wallet(engine, login)[1], 0)
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    for carrier in carriers:
        carrier.stop()
