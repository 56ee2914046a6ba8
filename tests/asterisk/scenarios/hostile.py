"""Newlines, `&`, `|`, `,`, `${…}`, quotes and long names in SIP: nothing is injected, dialled twice, set, or crashed."""

import re

from rig import net, world
from rig.listener import Listener
from rig.sipp import Call, Carrier, Phones, finals

# User parts of the request's URI; sipp sends them as they stand, Asterisk sees them unescaped.
DIALLED = (
    "49%0aagi_accountcode%3a%20victim",
    "49%0a%0a200%20result=1",
    "49%0d%0a%0d%0aEvent%3a%20Hangup%0d%0aUniqueid%3a%20evil.1",
    "49301234&PJSIP/112%40emergency&",
    "49301234%26PJSIP%2Femergency%2Fsip%3A112%40127.0.1.9%3A5070",
    "49301234%7c49301235",
    "49301234,1",
    "49$%7bTG_TOKEN%7d",
    "49$%7bGLOBAL(TG_AGI)%7d",
    "49%22%20%7c%20%221",
    "49'1",
    "49%5c%22",
    "4930123456%29L%28",
    "4" * 79,
    "4" * 200,
    "4930123456" + "%0a" * 30,
)
# User parts of From, from a PBX that is known by its address.
CALLERS = (
    "49%0aagi_arg_1%3a%20victim",
    "49%0a%0a200%20result=1%0a",
    "49&PJSIP/112%40emergency",
    "49%26x",
    "49%7c1",
    "49,1,TG_TOKEN=1",
    "$%7bEXTEN%7d",
    "49%22%20%7c%20%221",
    "x%5c",
    "a" * 79,
    "4" * 200,
)
# Header lines and display names on a call that is otherwise in order.
DECORATIONS = (
    {"display": "x%0aagi_arg_1: victim"},
    {"display": "${TG_TOKEN} & | , ' %22"},
    {"display": "n" * 79},
    {"headers": ("Diversion: <sip:1%0aagi_accountcode%3a%20victim@x.invalid>;reason=unconditional",)},
    {"headers": ("P-Asserted-Identity: <sip:1%0aagi_arg_1%3a%20victim@x.invalid>",)},
    {"headers": ("Remote-Party-ID: <sip:victim%0a@x.invalid>;party=calling",)},
    {"headers": ("X-TG_TOKEN: rig1", "TG_STATUS: ALLOW", "X-Asterisk-TG_TALK_S: 9999")},
)
KNOWN_KEY = re.compile(r"^agi_(network(_script)?|request|channel|language|type|uniqueid|version|callerid|calleridname|"
                       r"callingpres|callingani2|callington|callingtns|dnid|rdnis|context|extension|priority|enhanced|"
                       r"accountcode|threadid|arg_\d+): ")


def run(rig, claims):
    engine = rig.engine("hostile")
    world.build(engine, rig.folder)
    engine.start()
    world.warm(engine)
    engine.stop()
    carriers = [Carrier(rig.logs, name, ring_ms=20) for name in net.CARRIERS]
    rung = lambda: [len(carrier.invites()) for carrier in carriers]  # noqa: E731 - a name for a phrase

    # What Asterisk would tell an engine, seen by one that takes it down and says nothing.
    with Listener(hears_s=0.25) as listener:
        _refused(claims, rig, "dialling", [Call(world.CLIENT, number, talk_ms=100) for number in DIALLED])
        _refused(claims, rig, "calling as", [Call(world.CLIENT, world.BERLIN, caller, talk_ms=100) for caller in CALLERS],
                 host=net.PBX, authenticates=False)
        for what, caller, host in (
            ("a stranger who writes an IP peer's name", world.PBX_PEER, net.PHONE),
            ("a stranger who writes an account's name", world.CLIENT, net.PHONE),
            ("an IP peer that writes an account's name", world.CLIENT, net.PBX),
        ):
            phone = Phones(rig.logs, [Call(caller, world.BERLIN, talk_ms=100)], host=host, authenticates=False)
            claims.equal(f"{what} is asked for a password", list(finals(phone.wait(), True).values()), [401])
        claims.equal("none of them reached Tollgate", listener.heard, [])
        for decoration in DECORATIONS:
            Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=100, **decoration)]).wait()
        authorised = [text for text in listener.heard if "agi_network_script: authorize" in text]
        claims.equal("calls with odd names and headers are asked about", len(authorised), len(DECORATIONS))
        for text in listener.heard:
            _check_environment(claims, text)
    claims.equal("without a permission nothing was dialled", rung(), [0] * len(carriers))

    engine.start()
    for decoration in DECORATIONS:
        codes = finals(Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=100, **decoration)]).wait())
        claims.equal(f"with {str(decoration)[:70]} the call is served", list(codes.values()), [200])
    cdrs = engine.book.wait_cdrs(len(DECORATIONS))
    claims.equal("each rang one carrier once", sum(rung()), len(DECORATIONS))
    claims.that("each is the account's own", all(cdr["endpoint"] == world.CLIENT for cdr in cdrs))
    claims.that("each was dialled to its one number",
                all(f"sip:{world.BERLIN}@" in message.uri for carrier in carriers for message in carrier.invites()))
    _refused(claims, rig, "with Tollgate there, dialling", [Call(world.CLIENT, number, talk_ms=100) for number in DIALLED])
    claims.equal("none of those rang a carrier", sum(rung()), len(DECORATIONS))
    claims.equal("nor is in the book", engine.book.count(), len(DECORATIONS))
    claims.equal("the audit finds no difference", engine.audit()["differences"], [])
    for carrier in carriers:
        carrier.stop()


def _refused(claims, rig, what, calls, **how):
    """Each of the calls must end in a refusal of its own."""
    # One at a time, so that the order of the trace is the order of the calls.
    messages = Phones(rig.logs, calls, together=1, **how).wait()
    codes = list(finals(messages).values())
    claims.equal(f"{what}: every call was answered", len(codes), len(calls))
    for call, code in zip(calls, codes, strict=False):
        shown = call.number if call.caller is None else call.caller
        claims.that(f"{what} {shown[:70]!r} is refused", 400 <= code < 500, code)


def _check_environment(claims, text):
    head = text.split("\n\n", 1)[0].splitlines()
    strange = [line for line in head if not KNOWN_KEY.match(line)]
    keys = [line.split(":", 1)[0] for line in head]
    claims.equal("its AGI environment holds known lines only, each once, and ends once",
                 (strange, len(keys) - len(set(keys)), text.count("\n\n"), "victim" in text), ([], 0, 1, False))
