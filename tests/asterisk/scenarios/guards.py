"""What a box itself guards: room for emergency calls, proof of who answers on FastAGI's port, unpaid early media."""

import time

from rig import net, world
from rig.agent import Agent
from rig.claims import nanos
from rig.early import Ear, EarlyCarrier
from rig.listener import Listener
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones, finals

SECRET = "RigProofSecret0123456789abcdef"
GRANT = (
    "EXEC MSet TG_STATUS=ALLOW,TG_LIMIT_MS=60000,TG_RING_S=30,TG_TALK_S=60,TG_ROUTES=1,"
    f"TG_ROUTE_1=PJSIP/carrier-a/sip:{world.BERLIN}@{net.CARRIERS['carrier-a']}:{net.CARRIER_PORT}"
)
TOKEN = "SET VARIABLE TG_TOKEN UNIQUE_ID"
RING_S = 3


def run(rig, claims):
    engine = rig.engine("guards", proof_secret=SECRET, ring_seconds=RING_S)
    world.build(engine, rig.folder, clients=world.CLIENTS[:2])
    engine.start()
    world.warm(engine, world.CLIENTS[:2])
    carriers = {name: Carrier(rig.logs, name, ring_ms=50) for name in ("carrier-a", "emergency")}
    _emergency_reserve(rig, claims, engine, carriers)
    _impostor(rig, claims, engine, carriers)
    for carrier in carriers.values():
        carrier.stop()
    _early_media(rig, claims, engine)
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))


def _emergency_reserve(rig, claims, engine, carriers):
    busy, other = world.CLIENTS[:2]
    engine.cli("account", "set", busy, "--max-calls", "2")
    with rig.asterisk.with_globals(TG_MAX_CALLS="2"):
        live = Phones(rig.logs, [Call(busy, world.BERLIN, talk_ms=6000)] * 2)
        wait_until("both calls to be answered", lambda: list(finals(live.messages()).values()) == [200, 200], 10)
        codes = finals(Phones(rig.logs, [Call(other, world.BERLIN, talk_ms=300)]).wait())
        claims.equal("a box that has its ordinary calls refuses one more", list(codes.values()), [503])
        codes = finals(Phones(rig.logs, [Call(busy, "112", talk_ms=300)]).wait())
        claims.equal("112 gets through a full box, from an account with all its calls", list(codes.values()), [200])
        claims.equal("it went to the emergency trunk", len(carriers["emergency"].invites()), 1)
        live.wait()
        codes = finals(Phones(rig.logs, [Call(other, world.BERLIN, talk_ms=300)]).wait())
        claims.equal("and ordinary calls are taken again when others end", list(codes.values()), [200])
    engine.cli("account", "set", busy, "--max-calls", "none")
    engine.book.wait_cdrs(4)


def _impostor(rig, claims, engine, carriers):
    client = world.CLIENT
    with rig.asterisk.with_globals(TG_PROOF_SECRET=SECRET):
        before = engine.book.count()
        codes = finals(Phones(rig.logs, [Call(client, world.BERLIN, talk_ms=500)]).wait())
        claims.equal("with a secret on both sides a call goes through", list(codes.values()), [200])
        engine.book.wait_cdrs(before + 1)
        claims.soon("and its record is forgotten by Asterisk", rig.asterisk.unsettled, {})

        live = Phones(rig.logs, [Call(client, world.BERLIN, talk_ms=4000)])
        wait_until("the call to be answered", lambda: list(finals(live.messages()).values()) == [200], 10)
        engine.stop()
        dialled = len(carriers["carrier-a"].invites())
        with Listener(says=(GRANT, "SET VARIABLE TG_PROOF 0123456789012345678901234567890123456789", TOKEN),
                      settles=("SET VARIABLE TG_SETTLED 1",)) as impostor:
            codes = finals(Phones(rig.logs, [Call(client, world.BERLIN, talk_ms=500)]).wait())
            claims.equal("an impostor on the port lets no call through", list(codes.values()), [503])
            claims.equal("no carrier heard of it", len(carriers["carrier-a"].invites()), dialled)
            live.wait()
            claims.soon("it heard of the live call's end, and said that it is settled",
                        lambda: len([it for it in impostor.heard if "script: settle" in it and "200 result=1" in it]), 2)
        kept = [record[3] for record in rig.asterisk.unsettled().values()]
        claims.that("Asterisk keeps the end all the same", "ANSWER" in kept, kept)
        engine.start()
        cdr = engine.book.wait_cdrs(before + 2, seconds=25)[-1]
        claims.between("it is charged when Tollgate is back, for its exact duration", cdr["charged_ms"], 3900, 4500)
        claims.soon("and then forgotten", rig.asterisk.unsettled, {}, 20)
        claims.soon("nothing is held", lambda: world.wallet(engine, client)[1], 0)


def _early_media(rig, claims, engine):
    def call():
        """(the final answer, packets of audio that the phone heard, seconds that it took)"""
        with EarlyCarrier("carrier-a") as carrier, EarlyCarrier("carrier-b") as second, Ear() as ear, Agent(world.CLIENT) as phone:
            began = time.monotonic()
            code = phone.invite(world.BERLIN)
            return code, ear.packets, time.monotonic() - began, carrier.invites + second.invites

    before = world.wallet(engine, world.CLIENT)
    code, heard, took, tried = call()
    claims.that("early media is passed, and the attempt ends unanswered", code >= 400 and heard > 20, (code, heard))
    claims.between("after routing.ring_seconds, all routes together (s)", took, RING_S - 0.5, RING_S + 2)
    claims.equal("one carrier was tried: no answer is final", tried, 1)
    with rig.asterisk.with_globals(TG_EARLY_MEDIA="no"):
        code, heard, took, tried = call()
        claims.that("with TG_EARLY_MEDIA = no the phone hears nothing of the carrier", code >= 400 and heard == 0, (code, heard))
    claims.soon("neither cost or holds anything", lambda: world.wallet(engine, world.CLIENT), before)
