"""Tollgate down, silent, closing early, killed: refused calls are not dialled, live ones live, ended ones are kept."""

import time

from rig import net, world
from rig.claims import nanos
from rig.listener import Listener
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones, finals

# What Tollgate says before the token.
GRANT = (
    "EXEC MSet TG_STATUS=ALLOW,TG_LIMIT_MS=60000,TG_RING_S=30,TG_TALK_S=60,TG_ROUTES=1,"
    f"TG_ROUTE_1=PJSIP/carrier-a/sip:{world.BERLIN}@{net.CARRIERS['carrier-a']}:{net.CARRIER_PORT}"
)
TOKEN = "SET VARIABLE TG_TOKEN UNIQUE_ID"


def run(rig, claims):
    engine = rig.engine("outages")
    world.build(engine, rig.folder)
    carriers = [Carrier(rig.logs, "carrier-a", ring_ms=200), Carrier(rig.logs, "carrier-b")]
    call = Call(world.CLIENT, world.BERLIN, talk_ms=1000)
    engine.start()
    world.warm(engine)
    engine.stop()

    def refused(title, disturb=lambda: None, within=4.5):
        """One call that must be refused without reaching a carrier."""
        began = time.monotonic()
        phone = Phones(rig.logs, [call], seconds=30)
        disturb()
        codes = wait_until(f"the phone to be answered ({title})",
                           lambda: [code for code in finals(phone.messages()).values() if code], 15)
        took = time.monotonic() - began
        claims.equal(f"{title}: refused with 503", codes, [503])
        claims.that(f"{title}: refused within {within:g} s", took < within, f"{took:.1f} s")
        phone.wait()

    refused("Tollgate is down", within=2)
    with Listener():
        refused("Tollgate closes early", within=2)
    with Listener(reset=True):
        refused("Tollgate resets the connection", within=2)
    # The worst moment: all but the token was said.
    for what, token in (("before the token", ()), ("after another call's token", ("SET VARIABLE TG_TOKEN rig1-1.1",))):
        with Listener(says=(GRANT, *token)) as listener:
            refused(f"Tollgate closes {what}", within=2)
        claims.equal(f"Tollgate closes {what}: Asterisk had taken what it said",
                     [text.count("200 result=") for text in listener.heard if "authorize" in text], [1 + len(token)])
    for name in ("TG_LIMIT_MS=60000", "TG_RING_S=30", "TG_TALK_S=60", "TG_ROUTES=1"):
        with Listener(says=(GRANT.replace(name, name.split("=")[0] + "=0"), TOKEN)):
            refused(f"a grant with {name.split('=')[0]} of zero", within=2)
    claims.soon("what was refused while Tollgate was away waits in astdb with no duration",
                lambda: [record[2] for record in rig.asterisk.unsettled().values()], ["0"] * 9)

    engine.start()
    world.warm(engine)
    engine.freeze()
    refused("Tollgate is silent")
    engine.thaw()
    claims.soon("silent: the channel is gone when Tollgate speaks again", rig.asterisk.channels, [], 10)
    claims.soon("silent: no hold is left by the request that it answered too late",
                lambda: world.wallet(engine, world.CLIENT), (nanos(100), 0), 10)

    def kill_soon():
        time.sleep(1)
        engine.kill()

    world.warm(engine)
    engine.freeze()
    refused("Tollgate is killed during authorise", kill_soon)
    claims.equal("nothing was dialled in all of this", [len(carrier.invites()) for carrier in carriers], [0, 0])
    engine.start()
    claims.soon("killed during authorise: nothing is held after the restart",
                lambda: world.wallet(engine, world.CLIENT), (nanos(100), 0), 10)

    _killed_during_a_live_call(rig, claims, engine, carriers)
    _ends_while_down(rig, claims, engine, set(rig.asterisk.unsettled()))
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    for carrier in carriers:
        carrier.stop()


def _killed_during_a_live_call(rig, claims, engine, carriers):
    before = engine.book.count()
    phone = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=5000)])
    wait_until("the call to be answered", lambda: 200 in finals(phone.messages()).values(), 10)
    time.sleep(1)
    engine.kill()
    time.sleep(1)
    claims.equal("killed during a live call: the call lives", len(rig.asterisk.channels()), 2)
    engine.start()
    claims.that("after the restart its credit is held again", world.wallet(engine, world.CLIENT)[1] > 0)
    claims.equal("it ends as the phone wishes", list(finals(phone.wait()).values()), [200])
    cdrs = engine.book.wait_cdrs(before + 1)
    time.sleep(1)
    claims.equal("its settlement landed once", engine.book.count() - before, 1)
    cdr = cdrs[-1]
    claims.equal("it is recorded with who called what from where by which carrier",
                 (cdr["endpoint"], cdr["dialled"], cdr["source_address"], cdr["trunk_name"]),
                 (world.CLIENT, world.BERLIN, "127.0.2.1", "carrier-a"))
    claims.between("with its whole duration", cdr["answered_ms"], 4950, 5250)
    claims.equal("and its charge to the nano", cdr["payers"][0]["charge"],
                 world.charge(world.marked_up("0.0617284"), world.marked_up("0.005"), cdr["charged_ms"]))
    claims.soon("its hold is gone", lambda: world.wallet(engine, world.CLIENT),
                (nanos(100) - cdr["payers"][0]["charge"], 0))


def _ends_while_down(rig, claims, engine, known):
    before = engine.book.count()
    phone = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=3000)])
    wait_until("the call to be answered", lambda: 200 in finals(phone.messages()).values(), 10)
    time.sleep(0.5)
    engine.stop()
    claims.equal("a call that ends while Tollgate is down ends well", list(finals(phone.wait()).values()), [200])
    fresh = wait_until("its record in astdb",
                       lambda: {key: record for key, record in rig.asterisk.unsettled().items() if key not in known}, 5)
    (key, record), = fresh.items()
    version, ticket, ms, status, cause, route, server, leg, answer, hangup, attempts, extras = record
    claims.equal("its record names the call", (version, server, leg, key.startswith("rig1-"), key.endswith(".1")),
                 ("1", "rig1", "1", True, True))
    claims.that("its record holds the ticket", 40 < len(ticket) <= 480, f"{len(ticket)} characters")
    claims.between("its record holds the exact duration", int(ms), 2950, 3250)
    claims.between("its stamps say the same", (int(hangup) - int(answer)) // 1000 - int(ms), -30, 150)
    claims.equal("its record holds how it ended", (status, cause, route), ("ANSWER", "16", "1"))
    claims.that("its record holds the attempts", attempts.startswith("1:ANSWER:16:") and attempts.endswith(";"), attempts)
    told = dict(pair.split("=", 1) for pair in extras.split(";") if pair)
    claims.equal("its record holds the extras", (told.get("sip_call_id"), told.get("hung_up_by"), told.get("sip_code")),
                 (list(finals(phone.messages()))[0], "caller", "200"))
    claims.equal("the book has nothing of it yet", engine.book.count() - before, 0)
    engine.start()
