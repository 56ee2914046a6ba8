"""PostgreSQL stopped, restarted, killed, its disk full, under load: live calls finish, the spool drains, all once."""

import time

from rig import proof, world
from rig.process import wait_until

RATE = 25
# Longer than the ownership is trusted: new calls are refused by then.
LONG_S = 8
SHORT_S = 3
DISK_MB = 300


def run(rig, claims):
    rounds = proof.asked("OUTAGES", 1)
    server = rig.postgres(DISK_MB)
    engine = rig.engine("database", ring_seconds=proof.RING_S, database=server, credit=proof.CREDIT)
    proof.build(engine, rig)
    engine.start()
    load = proof.Load(rig, RATE, rounds * 120 + 60)
    time.sleep(2)
    for _ in range(rounds):
        for what, breaks in (("restarted", _restart), ("a backend killed", _kill_backend), ("killed", _kill),
                             ("its disk full", _fill), ("stopped", _stop)):
            _outage(claims, engine, server, what, breaks)
    made, answered, failed = load.end()
    metrics = engine.metrics()
    print(f"    {made} calls in {load.seconds:.0f} s, {len(answered)} answered, "
          f"{metrics['tollgate_spool_kept_total']} ends kept in the spool", flush=True)
    claims.equal("every call ended as its phone wished", failed, 0)
    claims.that("PostgreSQL found its disk full", server.complaints() > 0)
    claims.that("ends were kept in the spool", metrics["tollgate_spool_kept_total"] > 0)
    claims.equal("none could not be kept", metrics["tollgate_spool_failed_total"], 0)
    claims.equal("none was refused by the book", metrics["tollgate_spool_refused_total"], 0)
    claims.equal("what was kept was drained", metrics["tollgate_spool_drained_total"], metrics["tollgate_spool_kept_total"])
    refused = metrics['tollgate_calls_denied_total{reason="unavailable"}']
    claims.that("calls were refused while the database was away", refused > 0)
    claims.equal("every call was answered or refused", made, len(answered) + refused)
    # Without Tollgate reading Asterisk's records: every end was acknowledged when it was told.
    proof.settled(rig, claims, engine, answered, patience=10)
    proof.released(claims, engine, proof.HOLD_S + proof.SWEEP_S)
    engine.stop()
    _admitted(rig, claims, server)


def _outage(claims, engine, server, what, breaks):
    before = engine.metrics()
    began = time.monotonic()
    breaks(server)
    away = time.monotonic() - began
    back = proof.until_drained(engine)
    after = engine.metrics()
    grown = {name: after[name] - before[name] for name in after}
    kept = grown["tollgate_spool_kept_total"]
    refused = grown['tollgate_calls_denied_total{reason="unavailable"}']
    print(f"    {what}: {away:.1f} s; {kept} ends kept, {refused} new calls refused; drained {back:.1f} s after", flush=True)
    if breaks in (_stop, _kill, _fill):
        claims.that(f"{what}: what ended meanwhile was kept", kept > 0)
    if breaks is _stop:
        claims.that(f"{what}: new calls were refused", refused > 0)
    time.sleep(1)


def _restart(server):
    server.stop()
    server.start()


def _kill_backend(server):
    server.kill_a_backend()
    wait_until("PostgreSQL to have recovered", server.answers, 30)


def _kill(server):
    server.kill()
    time.sleep(SHORT_S)
    server.start()


def _fill(server):
    filled = server.fill_disk()
    print(f"    {filled} MB were free", flush=True)
    time.sleep(SHORT_S)
    server.free_disk()
    # It ends by itself when it cannot write its log.
    if not server.process.running():
        server.start()
    wait_until("PostgreSQL to answer", server.answers, 30)


def _stop(server):
    server.stop()
    time.sleep(LONG_S)
    server.start()


def _admitted(rig, claims, server):
    """Where the operator says so, calls are admitted all the while."""
    engine = rig.engine("admitting", ring_seconds=proof.RING_S, database=server,
                        credit={**proof.CREDIT, "when_database_down": "admit"})
    proof.build(engine, rig)
    engine.start()
    load = proof.Load(rig, RATE, 120)
    time.sleep(1)
    _outage(claims, engine, server, "stopped, admitting", lambda server: _stop(server))
    made, answered, failed = load.end()
    claims.equal("admitting: every call was answered", (len(answered), failed), (made, 0))
    proof.settled(rig, claims, engine, answered, patience=10)
    proof.released(claims, engine, proof.HOLD_S + proof.SWEEP_S)
    claims.equal("admitting: nobody is left with a hold", world.wallet(engine, world.RESELLER)[1], 0)
