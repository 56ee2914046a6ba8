"""Peers: made, changed, switched off and on, deleted: in force on a real Asterisk within a second, and nobody else's."""

import time

from rig import net, world
from rig.agent import Agent
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones

from .portal import Api

SECOND = 1.0
OTHER = world.CLIENTS[1]
NEW_PASSWORD = "another-password"


def run(rig, claims):
    engine = rig.engine("peers", peers={"ip_approval": "proof"})
    world.build(engine, rig.folder, clients=(world.CLIENT, OTHER))
    engine.start().wait_linked()
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=50)
    backup = Carrier(rig.logs, "carrier-b", ring_ms=50)
    _sip_account(rig, claims, engine)
    _live_calls(rig, claims, engine)
    _accounts(claims, engine)
    _addresses(rig, claims, engine)
    _claims(claims, engine)
    _strangers(rig, claims, engine)
    _overlap(rig, claims, engine)
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    carrier.stop()
    backup.stop()


def within(claims, what, change, find, wanted):
    """Changes something; `find` must give `wanted` within a second of the change's beginning, and still do a second
    later, when what was under way is over."""
    began = time.monotonic()
    answer = change()
    found = find()
    while found != wanted and time.monotonic() - began < SECOND:
        time.sleep(0.01)
        found = find()
    took = time.monotonic() - began
    claims.that(f"{what} within a second ({took * 1000:.0f} ms)", found == wanted and took <= SECOND,
                f"{found!r}, not {wanted!r}")
    time.sleep(max(0.0, began + 2 * SECOND - time.monotonic()))
    claims.equal("    and it stays so", find(), wanted)
    return answer


def registers(name, password=net.PASSWORD):
    def ask():
        with Agent(name, password) as agent:
            return agent.register()
    return ask


def calls(name, password=net.PASSWORD, host=net.PHONE, caller=None):
    def ask():
        with Agent(name, password, host, caller) as agent:
            return agent.invite(world.BERLIN)
    return ask


def listed(engine, login, name):
    return next((peer for peer in engine.cli("sip", "list", login)["sip_accounts"] if peer["name"] == name), None)


def _sip_account(rig, claims, engine):
    client = world.CLIENT
    claims.equal("a client's main SIP account registers", registers(client)(), 200)
    claims.soon("it is listed as registered", lambda: listed(engine, client, client)["registered"], True, 1)
    claims.equal("it calls", calls(client)(), 200)
    name = str(int(client) + len(world.CLIENTS))
    claims.equal("a name that nobody has is refused", registers(name)(), 401)

    made = {}

    def create():
        made.update(engine.cli("sip", "create", OTHER, password=net.PASSWORD))
    within(claims, "a new SIP account registers", create, lambda: registers(made["name"])(), 200)
    further = made["name"]
    claims.equal("a new SIP account calls", calls(further)(), 200)

    within(claims, "after a change of password the old one is refused",
           lambda: engine.cli("sip", "password", OTHER, further, password=NEW_PASSWORD), registers(further), 401)
    claims.equal("it calls with the old one no more", calls(further)(), 401)
    claims.equal("the new one registers", registers(further, NEW_PASSWORD)(), 200)
    claims.equal("the new one calls", calls(further, NEW_PASSWORD)(), 200)
    within(claims, "and back", lambda: engine.cli("sip", "password", OTHER, further, password=net.PASSWORD),
           registers(further), 200)

    claims.that("its registration is in Asterisk", rig.asterisk.contacts(further))
    within(claims, "switched off, its registration is gone", lambda: engine.cli("sip", "disable", OTHER, further),
           lambda: rig.asterisk.contacts(further), [])
    claims.equal("it does not register", registers(further)(), 401)
    claims.equal("it does not call", calls(further)(), 401)
    claims.equal("it is listed as not registered", listed(engine, OTHER, further)["registered"], False)
    within(claims, "switched on, it registers", lambda: engine.cli("sip", "enable", OTHER, further), registers(further), 200)
    within(claims, "deleted, it does not register", lambda: engine.cli("sip", "delete", OTHER, further),
           registers(further), 401)
    claims.equal("its registration is gone too", rig.asterisk.contacts(further), [])
    claims.equal("it is not listed", listed(engine, OTHER, further), None)
    within(claims, "made again under its name, it registers", create, registers(further), 200)
    claims.equal("it has the same name", made["name"], further)
    engine.cli("sip", "delete", OTHER, further)


def _live_calls(rig, claims, engine):
    client = world.CLIENT
    for what, stop, start, phone, host in (
        ("a SIP account", ("sip", "disable", client), ("sip", "enable", client), True, net.PHONE),
        ("an account", ("account", "set", client, "--active", "no"), ("account", "set", client, "--active", "yes"), True,
         net.PHONE),
        ("its reseller", ("account", "set", world.RESELLER, "--active", "no"),
         ("account", "set", world.RESELLER, "--active", "yes"), True, net.PHONE),
        ("an IP peer", ("ipauth", "disable", client, net.PBX), ("ipauth", "enable", client, net.PBX), False, net.PBX),
    ):
        before = engine.book.count(disposition="answered")
        # From the address of the IP peer a name that is none: the address decides.
        caller = None if phone else "4930000000"
        running = Phones(rig.logs, [Call(client, world.BERLIN, caller)], host=host, authenticates=phone, seconds=20)
        wait_until("the call to be up", lambda: len(rig.asterisk.channels()) == 2, 5)
        time.sleep(0.5)
        within(claims, f"switching off {what} ends its call", lambda stop=stop: engine.cli(*stop), rig.asterisk.channels, [])
        running.wait()
        engine.cli(*start)
        cdr = engine.book.wait_cdrs(before + 1, disposition="answered")[-1]
        claims.between("it is charged for what was talked", cdr["answered_ms"], 400, 2500)
        claims.equal("nothing is held", world.wallet(engine, client)[1], 0)
    with Agent(client) as agent:
        claims.equal("switched on again, it calls", agent.invite(world.BERLIN), 200)


def _accounts(claims, engine):
    within(claims, "the reseller switched off, its clients do not register",
           lambda: engine.cli("account", "set", world.RESELLER, "--active", "no"), registers(OTHER), 401)
    claims.equal("nor do they call", calls(world.CLIENT)(), 401)
    claims.equal("nor do their IP peers", calls("4930000000", None, net.PBX)(), 401)
    within(claims, "switched on, they register",
           lambda: engine.cli("account", "set", world.RESELLER, "--active", "yes"), registers(OTHER), 200)
    claims.equal("their IP peers call", calls("4930000000", None, net.PBX)(), 200)


def _addresses(rig, claims, engine):
    other = "127.0.3.2"
    peer = {}
    claims.equal("a call from an unknown address is challenged", calls("4930000000", None, other)(), 401)
    within(claims, "a new IP peer calls", lambda: peer.update(engine.cli("ipauth", "create", OTHER, other)),
           calls("4930000000", None, other), 200)
    cdr = engine.book.wait_cdrs(1, endpoint=peer["peer_name"])[0]
    claims.equal("its call is its own", (cdr["endpoint"], cdr["source_address"]), (peer["peer_name"], other))
    claims.equal("its name", peer["peer_name"], f"{OTHER}_ipa1")
    within(claims, "switched off, it is challenged", lambda: engine.cli("ipauth", "disable", OTHER, peer["id"]),
           calls("4930000000", None, other), 401)
    within(claims, "switched on, it calls", lambda: engine.cli("ipauth", "enable", OTHER, peer["id"]),
           calls("4930000000", None, other), 200)
    within(claims, "its SIP account switched off, it is challenged", lambda: engine.cli("sip", "disable", OTHER),
           calls("4930000000", None, other), 401)
    engine.cli("sip", "enable", OTHER)
    within(claims, "deleted, it is challenged", lambda: engine.cli("ipauth", "delete", OTHER, peer["id"]),
           calls("4930000000", None, other), 401)
    claims.equal("an address that is somebody's is refused to others",
                 engine.cli("ipauth", "create", OTHER, net.PBX, allowed=(1,))["code"], "ip_taken")


def _claims(claims, engine):
    """A client claims an address over the API: it calls from there once it has proved that it is its own."""
    office = "127.0.3.4"
    unnamed = calls("4930000000", None, office)
    api = Api("client-api", engine.cli("key", "create", OTHER)["key"])
    status, made = api.ask("ip-auth-create", {"sip_login": OTHER, "ip": office})
    claims.equal("a claimed address waits", (status, made["data"]["status"], made["data"]["state"]), (200, 0, "pending"))
    time.sleep(SECOND)
    claims.equal("until it is proved a call from it is challenged", unnamed(), 401)
    claims.equal("a call of the account from elsewhere is taken", calls(OTHER)(), 200)
    time.sleep(SECOND)
    claims.equal("and is no proof", unnamed(), 401)
    within(claims, "a call from the address, with the account's password, proves it: its PBX calls",
           calls(OTHER, host=office), unnamed, 200)
    claims.equal("it is shown as active", api.ask("ip-auth-list")[1]["data"][0]["ip_auth"][-1]["state"], "active")
    moved = engine.cli("ipauth", "move", office, world.CLIENT)
    time.sleep(SECOND)
    claims.equal("moved to another account within a second, it calls", unnamed(), 200)
    cdr = engine.book.wait_cdrs(1, endpoint=moved["peer_name"])[0]
    claims.equal("on the other account's bill", (cdr["endpoint"], cdr["source_address"]), (moved["peer_name"], office))
    engine.cli("ipauth", "delete", world.CLIENT, moved["peer_name"])


def _strangers(rig, claims, engine):
    before = engine.book.count()
    for what, caller, host in (
        ("a stranger who writes an IP peer's name", world.PBX_PEER, net.PHONE),
        ("a stranger who writes a trunk's name", "carrier-a", net.PHONE),
        ("a stranger who writes a SIP account's name", world.CLIENT, net.PHONE),
    ):
        claims.equal(f"{what} is refused", calls(caller, None, host)(), 401)
        claims.equal(f"{what} with any password too", calls(caller, "any-password", host)(), 401)
    claims.equal("none of them is in the book", engine.book.count(), before)
    # A phone behind the PBX's address, of another client.
    claims.equal("a phone behind another client's authorised address calls", calls(OTHER, host=net.PBX)(), 200)
    cdr = engine.book.wait_cdrs(before + 1)[-1]
    claims.equal("its call is its own client's", (cdr["endpoint"], cdr["source_address"]), (OTHER, net.PBX))
    claims.equal("a PBX on an authorised address that writes a SIP account's name is challenged",
                 calls(OTHER, None, net.PBX)(), 401)


def _overlap(rig, claims, engine):
    """Asterisk is reading a peer while it is switched off: the answer, old by then, must not stay in the cache."""
    name = engine.cli("sip", "create", OTHER, password=net.PASSWORD)["name"]
    time.sleep(1.5)
    rig.realtime.delay_s = 0.3
    with Agent(name) as agent:
        agent._send("REGISTER", f"sip:{net.ASTERISK}", "1a", "", "")  # noqa: SLF001 - a request without its answer
        time.sleep(0.1)
        began = time.monotonic()
        engine.cli("sip", "disable", OTHER, name)
    time.sleep(max(0.0, began + SECOND - time.monotonic()))
    rig.realtime.delay_s = 0.0
    claims.equal("what was being read when it was switched off does not register", registers(name)(), 401)
    claims.equal("nor call", calls(name)(), 401)
    engine.cli("sip", "delete", OTHER, name)
