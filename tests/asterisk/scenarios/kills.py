"""Tollgate killed at random moments under 50 calls a second, on SQLite and on PostgreSQL: nothing lost or doubled.

Every third kill on PostgreSQL happens while the database is stopped, with ended calls in the spool alone. The phones'
own record of what was answered is compared with the book: an end that was acknowledged and lost would be missing there,
because Asterisk forgets a call's end when it is acknowledged, and only then.
"""

import random
import time

from rig import proof

RATE = 50
# Seconds between a start and the next kill.
AT_LEAST, AT_MOST = 0.3, 2.5
# Longer than the book is waited for, so that ended calls are in the spool.
STOPPED_S = 2.5


def run(rig, claims):
    kills = proof.asked("KILLS", 6)
    seed = proof.asked("SEED", time.time_ns() % 1_000_000)
    print(f"    {kills} kills on each database, seed {seed}", flush=True)
    for database in ("sqlite", "postgres"):
        _kill(rig, claims, database, kills, random.Random(f"{seed} {database}"))


def _kill(rig, claims, database, kills, chance):
    server = rig.postgres() if database == "postgres" else None
    engine = rig.engine(f"kills_{database}", ring_seconds=proof.RING_S, database=server, credit=proof.CREDIT)
    proof.build(engine, rig)
    engine.start()
    load = proof.Load(rig, RATE, kills * 6 + 60)
    time.sleep(2)
    late, down, left, spooled = [], [], 0, 0
    for number in range(kills):
        time.sleep(chance.uniform(AT_LEAST, AT_MOST))
        without_database = server is not None and number % 3 == 2
        if without_database:
            server.stop()
            time.sleep(STOPPED_S)
            spooled += engine.metrics()["tollgate_spool_records"]
        engine.kill()
        killed = time.monotonic()
        if without_database:
            server.start()
        left = max(left, len(rig.asterisk.unsettled()))
        engine.start()
        down.append(time.monotonic() - killed)
        late += engine.book.held_too_long(proof.SWEEP_S)
    time.sleep(2)
    made, answered, failed = load.end()
    print(f"    {database}: {kills} kills in {load.seconds:.0f} s; {made} calls, {len(answered)} answered; "
          f"away for {min(down):.2f} to {max(down):.2f} s, {sum(down) / len(down):.2f} on average; "
          f"at most {left} ends waited in Asterisk, {spooled} in the spool when it was killed", flush=True)
    claims.that(f"{database}: the load went on", made >= RATE * load.seconds * 0.8, f"{made} in {load.seconds:.0f} s")
    claims.that(f"{database}: most calls were answered", len(answered) >= made * 0.4, f"{len(answered)} of {made}")
    claims.that(f"{database}: kills met ends of calls", left > 0)
    if server and kills >= 3:
        claims.that(f"{database}: kills met ended calls in the spool", spooled > 0)
    claims.equal(f"{database}: every call ended as its phone wished", failed, 0)
    proof.settled(rig, claims, engine, answered)
    claims.equal(f"{database}: no hold was left past its grant and a minute", late, [])
    proof.released(claims, engine, proof.HOLD_S + proof.SWEEP_S)
    engine.stop()
    if server:
        server.remove()
