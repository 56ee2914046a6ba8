"""A browser is a client's phone: a real Janus gateway lets it in by the token of `client-softphone-token`, and by no
other; it registers as `_web1` and its call is charged to the client.
"""

import time

from rig import net, world
from rig.janus import SECRET, Browser, Janus, token
from rig.script import Script
from rig.sipp import Carrier

WEB1 = f"{world.CLIENT}_web1"
TALK_S = 3
# Longer than a change of a peer is looked after.
SETTLED_S = 2


def run(rig, claims):
    engine = rig.engine("webphone", webphone={
        "janus_url": f"http://{net.JANUS}:{net.JANUS_PORT}/janus", "janus_secret": SECRET,
        "sip_proxy": f"sip:{net.ASTERISK}:{net.SIP_PORT}",
    })
    world.build(engine, rig.folder)
    engine.start().wait_linked()
    portal = Script("reseller-api", engine.cli("key", "create", world.RESELLER)["key"])
    janus = Janus(rig.folder, rig.logs)
    status, answer = portal.write("client-softphone-token", {"login": world.CLIENT})
    claims.equal("the portal gets a token", status, 200)
    phone = answer["softphone"]
    claims.equal("it names the gateway and its plugin", (phone["janus"]["server"], phone["janus"]["plugin"]),
                 (janus.server, "janus.plugin.sip"))
    claims.equal("and the client's web phone", (phone["login"], phone["sip"]["username"]), (world.CLIENT, WEB1))
    _tokens(claims, janus, phone["janus"]["token"])
    _call(rig, claims, engine, portal, Browser(janus, phone["janus"]["token"]), phone["sip"])
    _next_token(rig, claims, portal, janus, phone)
    janus.stop()
    audit = engine.audit()
    claims.equal("the audit finds no difference", (audit["ok"], audit["differences"]), (True, []))


def _tokens(claims, janus, good):
    until, tag = good.split(",", 1)[0], good.rsplit(":", 1)[1]
    claims.equal("it is signed as Janus signs", good, token(until))
    expired = token(time.time() - 1)
    for what, shown, wanted in (
        ("the token opens a session", good, 0),
        ("no token does not", None, 403),
        ("one that has expired does not", expired, 403),
        ("one whose end was put off does not", f"{int(until) + 3600},janus,janus.plugin.sip:{tag}", 403),
        ("one whose signature was altered does not", good[:-3] + ("A" if good[-3] != "A" else "B") + good[-2:], 403),
        ("one that somebody else signed does not", token(until, secret="another"), 403),
    ):
        claims.equal(what, janus.code("", shown, janus="create"), wanted)
    session = f"/{janus.ask('', good, janus='create')['data']['id']}"

    def attach(shown, plugin="janus.plugin.sip"):
        return janus.code(session, shown, janus="attach", plugin=plugin)

    claims.equal("the token opens a handle of the SIP plugin", attach(good), 0)
    claims.equal("and of no other plugin", attach(good, "janus.plugin.echotest"), 405)
    claims.equal("one that has expired opens none in that session", attach(expired), 403)
    claims.equal("one for another plugin opens none", attach(token(until, plugin="janus.plugin.echotest")), 405)


def _call(rig, claims, engine, portal, browser, sip):
    claims.equal("the gateway registers the web phone", browser.register(sip)["event"], "registered")
    claims.equal("Asterisk knows one contact of it", len(rig.asterisk.contacts(WEB1)), 1)

    def listed(more):
        rows = portal.read(f"client-sip&login={world.CLIENT}{more}")[1]["sip_accounts"]
        return {row["name"]: (row["service"], row["registered"]) for row in rows}

    claims.equal("it is no SIP account of the client's list", listed(""), {world.CLIENT: (False, False)})
    claims.equal("and is among the service accounts, registered", listed("&include_service=1").get(WEB1), (True, True))
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=300)
    before = world.wallet(engine, world.CLIENT)[0]
    browser.call(world.BERLIN, net.ASTERISK)
    claims.equal("its call is answered", browser.wait("accepted", "hangup")["event"], "accepted")
    time.sleep(TALK_S)
    claims.equal("the portal sees a call of the client",
                 portal.read(f"client-dashboard&login={world.CLIENT}")[1]["client"]["calls_active"], 1)
    claims.that("credit is held for it", world.wallet(engine, world.CLIENT)[1] > 0)
    browser.say("hangup")
    browser.wait("hangup")
    cdr = engine.book.wait_cdrs(1)[0]
    claims.equal("the call is in the book as the web phone's", (cdr["endpoint"], cdr["disposition"], cdr["number"]),
                 (WEB1, "answered", world.BERLIN))
    claims.equal("it comes from the gateway", cdr["source_address"], net.JANUS)
    claims.equal("the browser hung up", cdr["hung_up_by"], "caller")
    claims.between("it was as long as it was talked", cdr["answered_ms"], TALK_S * 1000 - 100, TALK_S * 1000 + 1500)
    claims.equal("the carrier had one call", len(carrier.invites()), 1)
    carrier.stop()
    charge = world.charge(world.marked_up("0.0617284"), world.marked_up("0.005"), cdr["charged_ms"])
    claims.equal("it is charged to the client to the nano", cdr["payers"][0]["charge"], charge)
    claims.soon("the client's wallet paid exactly that", lambda: world.wallet(engine, world.CLIENT), (before - charge, 0))
    shown = portal.read(f"client-dashboard&login={world.CLIENT}")[1]["client"]
    claims.equal("the portal counts it among today's", (shown["calls_today"], shown["calls_active"]), (1, 0))


def _next_token(rig, claims, portal, janus, phone):
    """A page that is loaded anew gets another token, and registers with it at once."""
    for _ in range(3):
        newer = portal.write("client-softphone-token", {"login": world.CLIENT})[1]["softphone"]
        told = Browser(janus, newer["janus"]["token"]).register(newer["sip"])["event"]
        claims.equal("the next token registers at once", told, "registered")
        time.sleep(SETTLED_S)
        claims.equal("and stays registered, once", len(rig.asterisk.contacts(WEB1)), 1)
    claims.that("it comes with another secret", newer["sip"]["ha1_secret"] != phone["sip"]["ha1_secret"])
    claims.equal("of the same web phone", newer["sip"]["username"], WEB1)
    claims.equal("the old secret registers no more",
                 Browser(janus, phone["janus"]["token"]).register(phone["sip"])["event"], "registration_failed")
