"""Slices of 5 s: two calls share credit for 60 s of talk; a top-up lengthens them, spending elsewhere shortens them."""

import time
from decimal import Decimal

from rig import world
from rig.claims import nanos
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones, finals

# A second to Hamburg costs 0.01 retail.
SECOND = Decimal("0.01")
SLICE = 5


def run(rig, claims):
    _share(rig, claims, "shared", minutes=1)
    _share(rig, claims, "topped-up", minutes=1, top_up_at=10, top_up=60)
    _share(rig, claims, "spent-elsewhere", minutes=1, spend_at=6)


def _share(rig, claims, title, minutes, top_up_at=None, top_up=0, spend_at=None):
    """Two calls of one client on credit for some minutes of talk in all, changed while they are up."""
    engine = rig.engine(title, credit={"slice_seconds": SLICE})
    credit = 60 * minutes * SECOND
    world.build(engine, rig.folder, client_credit=str(credit))
    engine.start()
    wait_until("the control link", engine.linked, 10)
    carriers = [Carrier(rig.logs, "carrier-a"), Carrier(rig.logs, "carrier-b")]
    phones = Phones(rig.logs, [Call(world.CLIENT, world.HAMBURG)] * 2, seconds=150)
    wait_until("both calls to be answered", lambda: list(finals(phones.messages()).values()) == [200, 200], 15)
    answered = time.monotonic()
    live = engine.cli("calls", "live")["calls"]
    claims.equal(f"{title}: both are live, and only slices are held",
                 [(call["state"], call["endpoint"], call["funded_seconds"] <= 2 * SLICE) for call in live],
                 [("answered", world.CLIENT, True)] * 2)
    expected = 60 * minutes
    if top_up_at is not None:
        time.sleep(max(0, answered + top_up_at - time.monotonic()))
        engine.cli("credit", world.CLIENT, str(top_up * SECOND), "--reference", "rig: a top-up under live calls")
        expected += top_up
    if spend_at is not None:
        time.sleep(max(0, answered + spend_at - time.monotonic()))
        shown = engine.account(world.CLIENT)
        engine.cli("credit", world.CLIENT, f"-{shown['available']}", "--reference", "rig: spent elsewhere")
        credit -= Decimal(shown["available"])
        expected = float(credit / SECOND)
    codes = list(finals(phones.wait()).values())
    took = time.monotonic() - answered
    cdrs = engine.book.wait_cdrs(2)
    charged = sum(cdr["payers"][0]["charge"] for cdr in cdrs)
    given = nanos(credit + top_up * SECOND)
    claims.equal(f"{title}: both were answered", codes, [200, 200])
    claims.that(f"{title}: the charges are at most the credit", charged <= given, f"{charged} of {given}")
    claims.between(f"{title}: and use it up but for what a slice leaves", (given - charged) / nanos(SECOND), 0, 2.1)
    talked = sum(cdr["answered_ms"] for cdr in cdrs) / 1000
    claims.between(f"{title}: the talk of both in all (s)", talked, expected - 3, expected + 0.5)
    claims.between(f"{title}: both ended within a second of each other's last slice (s)", took,
                   expected / 2 - 2, expected / 2 + SLICE)
    claims.equal(f"{title}: their records say why they ended", [cdr["disposition"] for cdr in cdrs],
                 ["credit_exhausted"] * 2)
    claims.soon(f"{title}: nothing is held and nothing overdrawn",
                lambda: (world.wallet(engine, world.CLIENT)[0] >= 0, world.wallet(engine, world.CLIENT)[1]), (True, 0))
    audit = engine.audit()
    claims.equal(f"{title}: the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    for carrier in carriers:
        carrier.stop()
    engine.stop()
