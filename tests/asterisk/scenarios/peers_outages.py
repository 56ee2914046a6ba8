"""The internal listener dead or silent, the manager link cut: cached phones go on, and nothing changed stays untold."""

import random
import time

from rig import net, world
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones, finals
from scenarios.peers import OTHER, calls, registers

CUTS = 50
# What goes on meanwhile: calls a second, and how long each is talked.
RATE = 5
TALK_MS = 1200
# Calls that are up all the while: longer than the cuts take, and shorter than the minute after which Asterisk ends a call
# without media.
LONG_CALLS = 3
LONG_MS = 45_000


def run(rig, claims):
    engine = rig.engine("peers-outages")
    # Rich: several calls are talked at once, and none may be refused or cut for want of credit.
    world.build(engine, rig.folder, clients=(world.CLIENT, OTHER), client_credit="10000", reseller_credit="10000")
    engine.start().wait_linked()
    carriers = [Carrier(rig.logs, name, ring_ms=20) for name in ("carrier-a", "carrier-b")]
    _listener_away(rig, claims)
    _link_away(rig, claims, engine)
    _link_cut_often(rig, claims, engine)
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    for carrier in carriers:
        carrier.stop()


def _listener_away(rig, claims):
    claims.equal("a phone registers", registers(world.CLIENT)(), 200)
    claims.equal("an IP peer calls", calls("4930000000", None, net.PBX)(), 200)
    for what, begin in (("silent", _silence), ("dead", _death)):
        begin(rig)
        began = time.monotonic()
        claims.equal(f"the listener {what}, a cached phone registers", registers(world.CLIENT)(), 200)
        claims.equal("it calls", calls(world.CLIENT)(), 200)
        claims.that("neither waits", time.monotonic() - began < 1.0, time.monotonic() - began)
        began = time.monotonic()
        claims.equal("an IP peer calls", calls("4930000000", None, net.PBX)(), 200)
        claims.that("it waits no longer than for its name", time.monotonic() - began < 2.5, time.monotonic() - began)
        claims.equal("a phone that is not cached is challenged in vain", registers("290000")(), 401)
        rig.realtime.reset()


def _silence(rig):
    rig.realtime.silent = True


def _death(rig):
    rig.realtime.close()


def _link_away(rig, claims, engine):
    """What changes while the link is away is in force right after it is back."""
    further = engine.cli("sip", "create", OTHER, password=net.PASSWORD)["name"]
    for name in (further, OTHER):
        claims.equal(f"{name} registers", registers(name)(), 200)
    rig.manager.close()
    wait_until("the link to be away", lambda: not engine.linked(), 10)
    engine.cli("sip", "disable", OTHER, further)
    engine.cli("sip", "password", OTHER, password="while-you-were-out")
    engine.cli("ipauth", "disable", world.CLIENT, net.PBX)
    claims.equal("while the link is away a call of what was switched off is refused", calls(further)(), 403)
    claims.equal("and so is one of an IP peer", calls("4930000000", None, net.PBX)(), 403)
    rig.manager.open()
    wait_until("the link to be back", engine.linked, 15)
    began = time.monotonic()
    claims.soon("back, what was switched off does not register", registers(further), 401, 2)
    claims.soon("its registration is gone", lambda: rig.asterisk.contacts(further), [], 2)
    claims.soon("an old password is refused", registers(OTHER), 401, 2)
    claims.equal("the new one is taken", registers(OTHER, "while-you-were-out")(), 200)
    claims.soon("an IP peer that was switched off is challenged", calls("4930000000", None, net.PBX), 401, 2)
    claims.that("all of it right away", time.monotonic() - began < 2.5, time.monotonic() - began)
    engine.cli("sip", "password", OTHER, password=net.PASSWORD)
    engine.cli("ipauth", "enable", world.CLIENT, net.PBX)


def _link_cut_often(rig, claims, engine):
    """The link is cut again and again under load while peers change; when it is back, Asterisk's view is the database's,
    and every call was charged for what was talked."""
    chance = random.Random(3)
    names = [engine.cli("sip", "create", world.CLIENT, password=net.PASSWORD)["name"] for _ in range(4)]
    active = dict.fromkeys(names, True)
    before = engine.book.count(disposition="answered")
    long = Phones(rig.logs, [Call(OTHER, world.BERLIN, talk_ms=LONG_MS)] * LONG_CALLS, seconds=90)
    wait_until("the long calls to be answered", lambda: list(finals(long.messages()).values()) == [200] * LONG_CALLS, 15)
    phones = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=TALK_MS)] * (RATE * 20), rate=RATE, seconds=60)
    for _ in range(CUTS):
        name = chance.choice(names)
        registers(name)()
        if chance.random() < 0.5:
            rig.manager.cut()
        active[name] = not active[name]
        engine.cli("sip", "enable" if active[name] else "disable", world.CLIENT, name)
        if chance.random() < 0.7:
            rig.manager.cut()
        time.sleep(chance.random() * 0.4)
    began = time.monotonic()
    wait_until("the link to be back", engine.linked, 15)
    wanted = {name: 200 if on else 401 for name, on in active.items()}
    claims.soon(f"after {CUTS} changes with the link cut in between, Asterisk's view is the database's",
                lambda: {name: registers(name)() for name in names}, wanted, 10)
    claims.that("within ten seconds", time.monotonic() - began < 10, time.monotonic() - began)
    gone = [name for name, on in active.items() if not on]
    claims.equal("and nobody is registered who is switched off", [rig.asterisk.contacts(name) for name in gone], [[]] * len(gone))
    codes = list(finals(phones.wait()).values())
    claims.equal("every call was taken", (len(codes), set(codes)), (RATE * 20, {200}))
    claims.equal("the long calls are live all the while",
                 sum(call["login"] == OTHER for call in engine.cli("calls", "live")["calls"]), LONG_CALLS)
    claims.equal("they end as their phones wish", list(finals(long.wait()).values()), [200] * LONG_CALLS)
    cdrs = engine.book.wait_cdrs(before + len(codes) + LONG_CALLS, disposition="answered")[before:]
    claims.equal("each is in the book once", len(cdrs), len(codes) + LONG_CALLS)
    claims.equal("and by its own word", {cdr["duration_source"] for cdr in cdrs}, {"asterisk"})
    talked = {OTHER: LONG_MS, world.CLIENT: TALK_MS}
    short = [cdr["answered_ms"] for cdr in cdrs
             if not -50 <= cdr["answered_ms"] - talked[cdr["endpoint"]] <= 400]
    claims.equal("and charged for what was talked, not for a link that was away", short, [])
