"""A small world with every kind of price in it: one reseller, its clients, two carriers."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from . import net
from .agent import Agent
from .claims import nanos
from .process import RigError

RESELLER = "rigreseller"
CLIENTS = tuple(str(number) for number in range(200001, 200011))
CLIENT = CLIENTS[0]
# Known to Asterisk, not to Tollgate.
STRANGER = "299999"
# A peer that is kept by hand, in Asterisk's own files, of an account that Tollgate knows.
BY_HAND = "299998"
# An authorised address, and the peer that it is.
PBX_PEER = f"{CLIENT}_ipa1"

# Wholesale, in EUR. Retail is 20 % above.
WHOLESALE = """\
prefix,price_per_minute,destination,connect_fee,initial_block,increment,blocked
4930,0.0617284,Germany Berlin,0.005,1,1,
4915,0.5,Germany Mobile,0,60,60,
4940,0.5,Germany Hamburg,0,1,1,
4989,0.01,Germany Munich,0,1,1,true
"""
CARRIER_A = """\
prefix,price_per_minute,destination,initial_block,increment
49,0.03,Germany,1,1
"""
# In USD, and dearer than carrier-a when converted.
CARRIER_B = """\
prefix,price_per_minute,destination,initial_block,increment
49,0.05,Germany,6,6
"""
USD_IN_EUR = "0.9"
MARKUP = 20
BERLIN = "4930123456"
MOBILE = "4915123456"
HAMBURG = "4940123456"
MUNICH = "4989123456"
# No deck has it.
NOWHERE = "88213123456"


def warm(engine, clients=(CLIENT,)):
    """Lets Asterisk learn the phones and the PBX, as in the days before an outage; the engine runs."""
    engine.wait_linked()
    for client in clients:
        with Agent(client) as agent:
            code = agent.register()
        if code != 200:
            raise RigError(f"{client} could not register: {code}")
    # No extension begins like this: answered without anything asked.
    with Agent("nobody", None, net.PBX) as agent:
        code = agent.invite("nothing")
    if code != 404:
        raise RigError(f"the PBX was answered {code}")


def build(engine, folder, clients=(CLIENT,), client_credit="100", reseller_credit="100"):
    """Sets the world up through the command line."""
    for name, text in (("wholesale", WHOLESALE), ("carrier-a", CARRIER_A), ("carrier-b", CARRIER_B)):
        (folder / f"{name}.csv").write_text(text)
    engine.cli("migrate")
    engine.cli("fx", "set", "USD", "EUR", USD_IN_EUR)
    engine.cli("tariff", "import", "wholesale", folder / "wholesale.csv")
    engine.cli("tariff", "import", "buy-a", folder / "carrier-a.csv")
    engine.cli("tariff", "import", "buy-b", folder / "carrier-b.csv", "--currency", "USD")
    engine.cli("plan", "create", "wholesale", "--tariff", "wholesale", "--decimals", 9)
    engine.cli("plan", "create", "retail", "--base", "wholesale", "--markup", MARKUP, "--decimals", 9)
    for trunk, tariff in (("carrier-a", "buy-a"), ("carrier-b", "buy-b")):
        engine.cli("trunk", "create", trunk, "--endpoint", trunk, "--tariff", tariff,
                   "--host", f"{net.CARRIERS[trunk]}:{net.CARRIER_PORT}")
    engine.cli("reseller", "create", RESELLER, "--plan", "wholesale")
    if Decimal(reseller_credit):
        engine.cli("credit", RESELLER, reseller_credit, "--reference", "rig: reseller's first credit")
    for client in clients:
        engine.cli("client", "create", client, "--reseller", RESELLER, "--plan", "retail")
        engine.cli("sip", "password", client, password=net.PASSWORD)
        if Decimal(client_credit):
            engine.cli("credit", client, client_credit, "--reference", f"rig: first credit of {client}")
    if CLIENT in clients:
        engine.cli("ipauth", "create", CLIENT, net.PBX)


def charge(price, connect_fee, ms, decimals=9, initial_block=1, increment=1):
    """What a call costs, in nano-units, the slow and obvious way: DESIGN's section 4 in fractions."""
    if ms <= 0:
        return 0
    seconds = -(-ms // 1000)
    billed = initial_block
    while billed < seconds:
        billed += increment
    exact = Fraction(str(connect_fee)) + Fraction(str(price)) * billed / 60
    step = Fraction(1, 10**decimals)
    whole = exact / step
    rounded = whole.numerator // whole.denominator
    if 2 * (whole - rounded) >= 1:
        rounded += 1
    return int(rounded * step * 10**9)


def marked_up(price, percent=MARKUP):
    """A derived price: rounded once to the nano, half up."""
    return (Decimal(str(price)) * (100 + percent) / 100).quantize(Decimal("1e-9"), ROUND_HALF_UP)


def wallet(engine, login):
    """(balance, held) in nano-units."""
    shown = engine.account(login)
    return nanos(shown["balance"]), nanos(shown["held"])
