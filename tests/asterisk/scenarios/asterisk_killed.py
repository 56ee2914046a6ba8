"""Asterisk killed with calls up: each is settled once, for the time up to its last proof of life."""

import time

from rig import world
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones, finals

CALLS = 5
TALK_S = 9
# The server is heard at least every two seconds while its link is up.
HEARD_EVERY_S = 2.0


def run(rig, claims):
    engine = rig.engine("asterisk-killed")
    world.build(engine, rig.folder)
    engine.start().wait_linked()
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=50)
    phones = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN)] * CALLS, seconds=120)
    wait_until("the calls to be answered", lambda: list(finals(phones.messages()).values()) == [200] * CALLS, 15)
    answered = time.monotonic()
    # One of them ends in order just before: its record or its settlement must not be doubled.
    time.sleep(TALK_S)
    claims.equal("the calls are live", [call["state"] for call in engine.cli("calls", "live")["calls"]], ["answered"] * CALLS)
    rig.asterisk.kill()
    talked = time.monotonic() - answered
    phones.stop()
    wait_until("the link's loss to be seen", lambda: not engine.linked(), 10)
    time.sleep(3)
    claims.equal("while it is away, nothing is concluded", engine.book.count(), 0)
    claims.equal("and the credit stays held", len(engine.cli("calls", "live")["calls"]), CALLS)
    rig.asterisk.start()
    engine.wait_linked()
    cdrs = engine.book.wait_cdrs(CALLS, 20)
    for cdr in cdrs:
        claims.between("a call ends at its last proof of life (ms)", cdr["answered_ms"],
                       int((talked - HEARD_EVERY_S - 0.5) * 1000), int((talked + 0.2) * 1000))
        claims.equal("its record says where its duration comes from, and by which carrier it went",
                     (cdr["duration_source"], cdr["trunk_name"]), ("last_proof_of_life", "carrier-a"))
    time.sleep(3)
    claims.equal("each was settled once", engine.book.count(), CALLS)
    claims.soon("nothing is held any more", lambda: world.wallet(engine, world.CLIENT)[1], 0)
    codes = finals(Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=500)]).wait())
    claims.equal("the new Asterisk's calls are taken", list(codes.values()), [200])
    engine.book.wait_cdrs(CALLS + 1)
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    carrier.stop()
