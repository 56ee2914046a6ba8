"""Attacks: forged events end no call, a peer that is switched off loses the call being set up, a silent Tollgate behind
the shipped HAProxy file leaves no channel."""

import contextlib
import socket
import time
from urllib.parse import quote

from rig import net, world
from rig.process import Process, wait_until
from rig.sipp import Call, Carrier, Phones, finals
from scenarios.manager import Manager

HAPROXY_PORT = 4574


def run(rig, claims):
    engine = rig.engine("attacks")
    world.build(engine, rig.folder, clients=world.CLIENTS[:2])
    engine.start().wait_linked()
    _forged(rig, claims, engine)
    _being_set_up(rig, claims, engine)
    engine.stop()
    _silent(rig, claims)


def _forged(rig, claims, engine):
    """Blocks of AMI events in a caller's name and number, of a call whose unique id is known to the attacker."""
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=50)
    victim = Phones(rig.logs, [Call(world.CLIENTS[1], world.BERLIN)], seconds=90)
    wait_until("the victim's call to be answered", lambda: 200 in finals(victim.messages()).values(), 10)
    call = engine.cli("calls", "live")["calls"][0]["call"]
    channel = call.split("/", 1)[1].rsplit(".", 1)[0]
    # Asterisk keeps 79 characters of a number: a hangup has room for all its fields, a dial's end for its first ones.
    hangup = ["Event: Hangup", "Channel: x", f"Uniqueid: {channel}", "Linkedid: x"]
    answer = ["Event: DialEnd", f"Uniqueid: {channel}", "DialStatus: ANSWER"]
    with Manager() as beside:
        # What Tollgate asks for: what is heard here has come to it too.
        beside.listen("DialEnd", "Hangup")
        for planted, arrives in ((hangup, hangup), (answer, answer[:2])):
            forged = quote("".join(f"\r\n{line}" for line in ["", *planted, ""]))
            for by, call_of, how in (
                ("as its caller's number", Call(world.CLIENT, world.BERLIN, f"1{forged}", talk_ms=100),
                 {"host": net.PBX, "authenticates": False}),
                ("as the number it dials", Call(world.CLIENT, f"4{forged}", talk_ms=100), {}),
            ):
                codes = list(finals(Phones(rig.logs, [call_of], seconds=30, **how).wait()).values())
                claims.that("the attacker's own call is refused", codes and 400 <= codes[0] < 500, codes)
                claims.soon(f"the forged {planted[0]} of the victim's call arrives, {by}", _hears(beside, arrives), True)
    time.sleep(6)
    live = engine.cli("calls", "live")["calls"]
    claims.equal("forged events end no call", [(row["call"], row["state"]) for row in live], [(call, "answered")])
    claims.equal("and settle none", engine.book.count(disposition="answered"), 0)
    claims.equal("the call is up in Asterisk", len(rig.asterisk.channels()), 2)
    claims.equal("an operator ends it", engine.cli("calls", "hangup", call)["hung_up"], True)
    claims.soon("and it is gone within a second", rig.asterisk.channels, [], 1)
    victim.wait()
    cdr = engine.book.wait_cdrs(1, disposition="answered")[0]
    claims.equal("it is settled once, by its own word", (engine.book.count(disposition="answered"), cdr["duration_source"]),
                 (1, "asterisk"))
    carrier.stop()


def _hears(session, planted):
    """Whether a block that begins with these lines has come by now."""
    blocks = []

    def has_come():
        blocks.extend(session.heard())
        return any(block[:len(planted)] == planted for block in blocks)
    return has_come


def _being_set_up(rig, claims, engine):
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=8000)
    phone = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, "4930000000")], host=net.PBX, authenticates=False, seconds=30)
    wait_until("the call to ring", lambda: len(carrier.invites()) == 1, 10)
    engine.cli("ipauth", "disable", world.CLIENT, net.PBX)
    returned = time.monotonic()
    wait_until("the call being set up to end", lambda: not rig.asterisk.channels(), 10)
    took = time.monotonic() - returned
    print(f"    gone {took:.2f} s after the command", flush=True)
    claims.that("an IP peer that is switched off loses the call being set up within a second", took <= 1.0, f"{took:.2f} s")
    codes = list(finals(phone.wait()).values())
    claims.that("its phone is told", codes and 400 <= codes[0] < 700, codes)
    again = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, "4930000000", talk_ms=100)], host=net.PBX, authenticates=False)
    claims.equal("and cannot call again", list(finals(again.wait(), True).values()), [401])
    claims.soon("nothing is held", lambda: world.wallet(engine, world.CLIENT)[1], 0)
    carrier.stop()


def _silent(rig, claims):
    """The shipped HAProxy file, between Asterisk and a Tollgate that accepts and says nothing."""
    conf = rig.folder / "haproxy.cfg"
    conf.write_text(rig.asterisk.conf("haproxy.cfg").replace("log /dev/log local0 notice", ""))
    engine = rig.engine("silent")
    world.build(engine, rig.folder)
    engine.start().wait_linked()
    # Behind the engine: it looks at its server at once.
    proxy = Process("haproxy", ["haproxy", "-db", "-f", str(conf)], rig.logs / "haproxy.out")
    wait_until("HAProxy to listen", lambda: _listens(HAPROXY_PORT), 10)
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=50)
    with rig.asterisk.asking(f"{net.ASTERISK}:{HAPROXY_PORT}"):
        codes = finals(Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=300)]).wait())
        claims.equal("through HAProxy a call is served", list(codes.values()), [200])
        engine.book.wait_cdrs(1)
        phone = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=2000)], seconds=30)
        wait_until("the call to be answered", lambda: 200 in finals(phone.messages()).values(), 10)
        engine.freeze()
        phone.wait()
        ended = time.monotonic()
        claims.soon("silent in settle: the channel is gone after HAProxy's three seconds", rig.asterisk.channels, [], 6)
        print(f"    gone {time.monotonic() - ended:.1f} s after the end", flush=True)
        claims.equal("its record is kept", len(rig.asterisk.unsettled()), 1)
        refused = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=300)], seconds=30)
        claims.equal("silent in authorise: refused", list(finals(refused.wait()).values()), [503])
        claims.soon("and no channel is left", rig.asterisk.channels, [], 6)
        engine.thaw()
        cdrs = engine.book.wait_cdrs(2, 40, disposition="answered")
        claims.between("when it speaks again the call is settled, with its exact duration (ms)", cdrs[-1]["answered_ms"],
                       1950, 2300)
        claims.soon("nothing unsettled is left", rig.asterisk.unsettled, {}, 30)
        claims.soon("nothing is held", lambda: world.wallet(engine, world.CLIENT)[1], 0, 10)
        claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    carrier.stop()
    proxy.stop()


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection((net.ASTERISK, port), timeout=1):
        return True
    return False
