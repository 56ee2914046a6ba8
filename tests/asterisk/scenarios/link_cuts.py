"""The control link cut 50 times under load while peers change: Asterisk's view equals the database's soon after, and no
call is settled because the link was away."""

import random
import time

from rig import net, world
from rig.agent import Agent
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones, finals

CUTS = 50
SECONDS = 40
RATE = 10
LONG_CALLS = 5
# Longer than all the cuts take, and shorter than the minute after which Asterisk ends a call without media.
LONG_S = 56
SETTLED_WITHIN_S = 10
# Clients whose peers change; the others make the load.
CHANGING = world.CLIENTS[6:]


def run(rig, claims):
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)
    print(f"    seed {seed}", flush=True)
    engine = rig.engine("link-cuts", credit={"slice_seconds": 10})
    world.build(engine, rig.folder, clients=world.CLIENTS, client_credit="10000", reseller_credit="100000")
    engine.start().wait_linked()
    carriers = [Carrier(rig.logs, name, ring_ms=20, traced=False) for name in ("carrier-a", "carrier-b")]
    long = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=LONG_S * 1000)] * LONG_CALLS, seconds=LONG_S + 60)
    wait_until("the long calls to be answered", lambda: list(finals(long.messages()).values()) == [200] * LONG_CALLS, 15)
    load = Phones(rig.logs, [Call(client, world.BERLIN, talk_ms=400) for client in world.CLIENTS[1:6]], rate=RATE,
                  together=500, seconds=SECONDS + 60, traced=False, most=RATE * SECONDS * 2)
    state = {name: True for name in CHANGING}
    password = {name: net.PASSWORD for name in CHANGING}
    began = time.monotonic()
    times = sorted(chance.uniform(0, SECONDS) for _ in range(CUTS))
    for number, at in enumerate(times):
        time.sleep(max(0.0, began + at - time.monotonic()))
        rig.manager.cut()
        # A change in the very moment in which nobody can be told.
        name = chance.choice(CHANGING)
        if chance.random() < 0.5:
            state[name] = not state[name]
            engine.cli("sip", "enable" if state[name] else "disable", name)
        else:
            password[name] = f"changed-{number}-password"
            engine.cli("sip", "password", name, name, "--password", password[name])
    engine.wait_linked()
    back = time.monotonic()

    def view():
        return {name: _registers(name, password[name]) for name in CHANGING}
    wanted = {name: 200 if state[name] else 401 for name in CHANGING}
    found = view()
    while found != wanted and time.monotonic() - back < SETTLED_WITHIN_S:
        found = view()
    claims.equal(f"within {SETTLED_WITHIN_S} s of the link's return Asterisk's view is the database's "
                 f"({time.monotonic() - back:.1f} s)", found, wanted)
    claims.equal("a password that is over is refused", [_registers(name, "never-a-password") for name in CHANGING],
                 [401] * len(CHANGING))
    load.finish()
    calls, failed = len(load.answered()), int(load.counts()["FailedCall(C)"])
    claims.that("the load went on", calls > RATE * SECONDS * 0.8 and failed == 0, f"{calls} answered, {failed} failed")
    claims.equal("the long calls are live all the while",
                 sum(call["login"] == world.CLIENT for call in engine.cli("calls", "live")["calls"]), LONG_CALLS)
    claims.equal("they end as their phones wish", list(finals(long.wait()).values()), [200] * LONG_CALLS)
    claims.soon("every call is in the book", lambda: engine.book.count(disposition="answered"), calls + LONG_CALLS, 20)
    claims.equal("each for as long as it was", [
        cdr["duration_source"] for cdr in engine.book.cdrs() if cdr["duration_source"] != "asterisk"], [])
    for cdr in engine.book.cdrs(endpoint=world.CLIENT):
        claims.between("a long call lasted as long as its phone wished (s)", cdr["answered_ms"] / 1000, LONG_S - 0.2,
                       LONG_S + 0.5)
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    for carrier in carriers:
        carrier.stop()


def _registers(name, password):
    with Agent(name, password) as agent:
        return agent.register()
