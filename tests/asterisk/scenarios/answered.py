"""A 3 s answered call: CDR, retail and wholesale charges, buy cost, exact to the nano; holds gone.

The same for a call that the called side ends.
"""

import time

from rig import world
from rig.claims import nanos
from rig.sipp import Call, Carrier, Phones, finals

TALK_MS = 3000


def run(rig, claims):
    engine = rig.engine("answered")
    world.build(engine, rig.folder)
    engine.start()
    carriers = {name: Carrier(rig.logs, name, ring_ms=400) for name in ("carrier-a", "carrier-b")}
    phone = Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=TALK_MS)])
    time.sleep(1.5)
    claims.that("credit is held while the call lives, at the client", world.wallet(engine, world.CLIENT)[1] > 0)
    claims.that("credit is held while the call lives, at the reseller", world.wallet(engine, world.RESELLER)[1] > 0)
    codes = finals(phone.wait())
    cdr = engine.book.wait_cdrs(1)[0]
    claims.equal("the phone was answered", list(codes.values()), [200])
    _check_call(claims, cdr, carriers["carrier-a"], TALK_MS, codes)
    claims.equal("the caller hung up", cdr["hung_up_by"], "caller")
    claims.equal("the second carrier heard nothing", len(carriers["carrier-b"].invites()), 0)
    _check_wallets(claims, engine, [cdr])
    carriers["carrier-a"].stop()

    carriers["carrier-a"] = Carrier(rig.logs, "carrier-a", ring_ms=50, talk_ms=1700)
    codes = finals(Phones(rig.logs, [Call(world.CLIENT, world.BERLIN)]).wait())
    cdrs = engine.book.wait_cdrs(2)
    claims.equal("the called side hung up", cdrs[1]["hung_up_by"], "callee")
    _check_call(claims, cdrs[1], carriers["carrier-a"], 1700, codes)
    _check_wallets(claims, engine, cdrs)
    for carrier in carriers.values():
        carrier.stop()
    claims.equal("nothing unsettled is left in Asterisk", rig.asterisk.unsettled(), {})
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))
    claims.equal("every transaction sums to zero", engine.book.imbalance(), [])


def _check_call(claims, cdr, carrier, talk_ms, codes):
    claims.equal("the call reached the cheaper carrier once", len(carrier.invites()), 1)
    claims.that("the carrier was asked for the number", f"sip:{world.BERLIN}@" in carrier.invites()[0].uri,
                carrier.invites()[0].uri)
    claims.equal("the CDR is an answered call", (cdr["kind"], cdr["disposition"]), ("call", "answered"))
    claims.equal("its dialled number", (cdr["dialled"], cdr["number"]), (world.BERLIN, world.BERLIN))
    claims.equal("its destination", cdr["destination"], "Germany Berlin")
    claims.equal("its endpoint and source address", (cdr["endpoint"], cdr["source_address"]), (world.CLIENT, "127.0.2.1"))
    claims.equal("its SIP Call-ID is the phone's", [cdr["sip_call_id"]], list(codes))
    claims.equal("its trunk and route", (cdr["trunk_name"], cdr["route"]), ("carrier-a", 1))
    claims.equal("its cause is normal clearing", cdr["hangup_cause"], 16)
    # The phone's talk, and what SIP takes to carry it.
    claims.between("its answered time is the talk", cdr["answered_ms"], talk_ms - 30, talk_ms + 150)
    claims.between("the carrier saw the same time", carrier.talked_ms()[-1] - cdr["answered_ms"], -30, 150)
    claims.between("its stamps say the same", (cdr["ended_at"] - cdr["answered_at"]) // 1000 - cdr["answered_ms"], -30, 150)
    claims.equal("its attempts are one answered", [(a["route"], a["dial_status"]) for a in cdr["attempts"]], [(1, "ANSWER")])
    client, reseller = cdr["payers"]
    retail_price, retail_fee = world.marked_up("0.0617284"), world.marked_up("0.005")
    claims.equal("the client's price is wholesale and 20 %", client["price"], nanos(retail_price))
    claims.equal("the reseller's price is wholesale", reseller["price"], nanos("0.0617284"))
    claims.equal("the client's charge to the nano", client["charge"],
                 world.charge(retail_price, retail_fee, cdr["charged_ms"]))
    claims.equal("the reseller's charge to the nano", reseller["charge"],
                 world.charge("0.0617284", "0.005", cdr["charged_ms"]))
    claims.equal("the buy cost to the nano", cdr["buy_cost"], world.charge("0.03", 0, cdr["answered_ms"], decimals=6))
    claims.equal("the margin is what the top pays less what the carrier gets", cdr["margin"],
                 reseller["charge"] - cdr["buy_cost"])


def _check_wallets(claims, engine, cdrs):
    for position, login in enumerate((world.CLIENT, world.RESELLER)):
        spent = sum(cdr["payers"][position]["charge"] for cdr in cdrs)
        claims.soon(f"the wallet of {login} paid exactly that, and nothing is held",
                    lambda login=login: world.wallet(engine, login), (nanos(100) - spent, 0))
