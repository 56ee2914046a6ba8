"""Over HTTP: a reseller's portal makes a client, who calls, is stopped, is paid for, lets a PBX in, and picks a number."""

import json
import time
import urllib.error
import urllib.request

from rig import net, world
from rig.agent import Agent
from rig.claims import nanos
from rig.sipp import Carrier

# Until something that was changed is in force at Asterisk.
SOON = 1.0
OTHER_PBX = "127.0.3.7"
CALLERID = "+4930555123"


class Api:
    """One of the HTTP APIs, asked with a key."""

    def __init__(self, name, key):
        self._url = f"http://{net.ASTERISK}:{net.HTTP_PORT}/{name}/index.php?endpoint="
        self._key = key

    def ask(self, endpoint, body=None):
        """(status, answer): a POST where there is a body."""
        headers = {"X-API-Key": self._key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self._url + endpoint, data=data, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def run(rig, claims):
    engine = rig.engine("portal")
    world.build(engine, rig.folder)
    engine.start().wait_linked()
    carrier = Carrier(rig.logs, "carrier-a", ring_ms=50)
    reseller = Api("reseller-api", engine.cli("key", "create", world.RESELLER)["key"])
    client = _made(claims, engine, reseller)
    _stopped(claims, reseller, client)
    api = Api("client-api", engine.cli("key", "create", client["login"])["key"])
    _pbx(claims, engine, api, client)
    _callerid(claims, carrier, api, client)
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    carrier.stop()


def _registers(client):
    with Agent(client["login"], client["password"]) as agent:
        return agent.register()


def _calls(client):
    with Agent(client["login"], client["password"]) as agent:
        return agent.invite(world.BERLIN)


def _from_the_pbx():
    # Who calls is known by the address alone.
    with Agent("4930000000", None, OTHER_PBX) as agent:
        return agent.invite(world.BERLIN)


def _made(claims, engine, reseller):
    status, answer = reseller.ask("create-client", {})
    claims.equal("a client is made without saying by which plan", (status, answer["ok"]), (200, True))
    client = answer["client"]
    sip = client["sip"]
    claims.that("it has a login and a password of its own", len(sip["password"]) >= 8 and sip["login"] == client["login"])
    claims.equal("it registers with the password that was answered", _registers(sip), 200)
    with Agent(sip["login"], "another-password") as agent:
        claims.equal("and with no other", agent.register(), 401)
    claims.equal("without money it cannot call", _calls(sip), 403)
    claims.soon("that is why", lambda: engine.book.refusals().get("no_credit"), 1)
    wholesale = nanos(engine.account(world.RESELLER)["balance"])
    status, answer = reseller.ask(
        "transfer", {"login": sip["login"], "amount": 5, "external_id": "RIG-1"})
    claims.equal("a transfer is done", (status, answer["transaction"]["client_balance"]), (200, 5))
    claims.equal("it costs the reseller nothing yet", nanos(engine.account(world.RESELLER)["balance"]), wholesale)
    claims.equal("and it calls", _calls(sip), 200)
    cdr = engine.book.wait_cdrs(1, disposition="answered", endpoint=sip["login"])[-1]
    claims.equal("for the reseller's account", [payer["position"] for payer in cdr["payers"]], [0, 1])
    claims.that("the call is charged to both", world.wallet(engine, sip["login"])[0] < nanos("5")
                and world.wallet(engine, world.RESELLER)[0] < wholesale)
    return sip


def _stopped(claims, reseller, client):
    status, answer = reseller.ask("set-client-status", {"login": client["login"], "active": False})
    claims.equal("the client is switched off", (status, answer["client"]["active"]), (200, False))
    claims.soon("it registers no more", lambda: _registers(client), 401, SOON)
    claims.equal("nor does it call", _calls(client), 401)
    status, answer = reseller.ask("set-client-status", {"login": client["login"], "active": True})
    claims.equal("it is switched on", (status, answer["client"]["active"]), (200, True))
    claims.soon("it registers again", lambda: _registers(client), 200, SOON)
    claims.equal("and calls", _calls(client), 200)


def _pbx(claims, engine, api, client):
    claims.equal("an unknown address is challenged", _from_the_pbx(), 401)
    status, answer = api.ask("ip-auth-create", {"sip_login": client["login"], "ip": OTHER_PBX})
    peer = answer["data"]
    claims.equal("an address is authorised", (status, peer["peer_name"]), (200, f"{client['login']}_ipa1"))
    claims.soon("from it a call is made without a password", _from_the_pbx, 200, SOON)
    cdr = engine.book.wait_cdrs(1, disposition="answered", endpoint=peer["peer_name"])[-1]
    claims.equal("it comes from that address", cdr["source_address"], OTHER_PBX)
    before = world.wallet(engine, client["login"])[0]
    claims.equal("and again", _from_the_pbx(), 200)
    claims.soon("it is charged to the client", lambda: world.wallet(engine, client["login"])[0] < before, True)
    status, _ = api.ask("ip-auth-disable", {"id": peer["id"]})
    claims.equal("it is switched off", status, 200)
    claims.soon("and is challenged", _from_the_pbx, 401, SOON)


def _callerid(claims, carrier, api, client):
    def presented():
        before = len(carrier.invites())
        code = _calls(client)
        deadline = time.monotonic() + 2
        while len(carrier.invites()) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        return code, carrier.invites()[-1].header("From")

    status, _ = api.ask("add-callerid", {"cid": CALLERID, "name": "Rig"})
    claims.equal("a number is added", status, 200)
    code, caller = presented()
    claims.that("it is not presented yet", code == 200 and CALLERID.lstrip("+") not in caller, caller)
    status, _ = api.ask("set-callerid", {"cid": CALLERID})
    claims.equal("it is made the one that is presented", status, 200)
    code, caller = presented()
    claims.that("the carrier sees it at the next call", code == 200 and CALLERID.lstrip("+") in caller, caller)
    status, _ = api.ask("clear-callerid", {})
    claims.equal("it is taken back", status, 200)
    code, caller = presented()
    claims.that("the carrier sees it no more", code == 200 and CALLERID.lstrip("+") not in caller, caller)
