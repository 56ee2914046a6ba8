"""The manager link: what doctor says of it, over TCP and TLS, and how a running server keeps it."""

import re
import subprocess
import urllib.request

from rig import net, world
from rig.process import wait_until
from rig.sipp import Call, Carrier, Phones

TLS_PORT = 5049
# A user for each way of being set up wrongly.
USERS = """
[strong](tg-engine)
secret = strong-secret
write = all
[weak](tg-engine)
secret = weak-secret
write = call
[deaf](tg-engine)
secret = deaf-secret
read = call
"""


def run(rig, claims):
    engine = rig.engine("link", servers=())
    world.build(engine, rig.folder)
    config = rig.folder / "link" / "tollgate.toml"
    own = config.read_text()

    def configure(name="rig1", port=net.MANAGER_PORT, username="tollgate", secret=net.MANAGER_SECRET, more=""):
        config.write_text(
            f'{own}\n[[asterisk]]\nname = "{name}"\nhost = "{net.ASTERISK}"\nport = {port}\n'
            f'username = "{username}"\nsecret = "{secret}"\n{more}')

    def doctor(level):
        """What doctor says of Asterisk, at this level."""
        found = engine.cli("doctor", allowed=(0, 1))["findings"]
        return [it["text"] for it in found if it["level"] == level and "Asterisk rig" in it["text"]]

    site = rig.asterisk.outside / "etc" / "site" / "manager.conf"
    shipped = site.read_text()
    site.write_text(shipped + USERS + tls_of(rig))
    rig.asterisk.cli("manager reload")
    try:
        examined(claims, configure, doctor, rig.folder)
    finally:
        site.write_text(shipped)
        rig.asterisk.cli("manager reload")
    configure()
    kept(rig, claims, engine)


def examined(claims, configure, doctor, folder):
    configure()
    claims.equal("the shipped manager user: doctor finds nothing wrong", doctor("wrong"), [])
    claims.that("the shipped manager user: doctor says that it is let in", any("lets us in" in it for it in doctor("ok")),
                doctor("ok"))
    for title, wrong, said in (
        ("a wrong secret", {"secret": "guessed"}, "Login is refused: Authentication failed"),
        ("no such user", {"username": "nobody"}, "Login is refused: Authentication failed"),
        ("another server", {"name": "rig9"}, 'calls itself "rig1"'),
        ("a port where nobody listens", {"port": 5999}, "cannot be reached"),
        ("a user who may too much", {"username": "strong", "secret": "strong-secret"}, "may Originate"),
        ("a user who may too little", {"username": "weak", "secret": "weak-secret"}, "may not DBGetTree"),
        ("a user who hears too little", {"username": "deaf", "secret": "deaf-secret"}, "`read` lacks class `system`"),
    ):
        configure(**wrong)
        found = doctor("wrong")
        claims.that(f"{title}: doctor says so", any(said in it for it in found), found)
        claims.that(f"{title}: doctor shows no secret", not any("-secret" in it or "guessed" in it for it in found), found)
    tls = f'tls = true\ntls_ca = "{folder}/ca.pem"\n'
    configure(port=TLS_PORT, more=tls + 'tls_name = "pbx.example"\n')
    claims.equal("over TLS: doctor finds nothing wrong", doctor("wrong"), [])
    configure(port=TLS_PORT, more=tls)
    found = doctor("wrong")
    claims.that("over TLS, a certificate of another name: doctor says so", any("certificate not valid for name" in it for it in found), found)
    configure(port=net.MANAGER_PORT, more=tls)
    found = doctor("wrong")
    claims.that("TLS to the plain port: doctor says so", any("TLS with" in it for it in found), found)


def tls_of(rig):
    """An authority, a certificate for `pbx.example`, and Asterisk's settings for them."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=rig.folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=rig authority")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=pbx.example",
            "-addext", "subjectAltName=DNS:pbx.example")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-copy_extensions", "copy", "-out", "server.pem")
    both = (rig.folder / "server.pem").read_text() + (rig.folder / "server.key").read_text()
    (rig.asterisk.outside / "etc" / "manager.pem").write_text(both)
    path = rig.asterisk.inside / "etc" / "manager.pem"
    return (f"[general](+)\ntlsenable = yes\ntlsbindaddr = {net.ASTERISK}:{TLS_PORT}\ntlscertfile = {path}\n")


def kept(rig, claims, engine):
    engine.start()

    def count(name):
        asked = urllib.request.Request(
            f"http://{net.ASTERISK}:{net.INTERNAL_PORT}/metrics", headers={"Authorization": f"Bearer {net.METRICS_TOKEN}"})
        with urllib.request.urlopen(asked, timeout=2) as answer:
            found = re.search(rf'^{name}{{server="rig1"}} (\d+)$', answer.read().decode(), re.MULTILINE)
        return int(found.group(1)) if found else None

    claims.soon("a running server's link is up", lambda: count("tollgate_ami_up"), 1, 10)
    events = count("tollgate_ami_events_total")
    carrier = Carrier(rig.logs, "carrier-a")
    Phones(rig.logs, [Call(world.CLIENT, world.BERLIN, talk_ms=500)]).wait()
    carrier.stop()
    claims.soon("a call tells three events: one answer and two ends", lambda: count("tollgate_ami_events_total") - events, 3)

    rig.asterisk.process.kill()
    claims.soon("the link is away when Asterisk is killed", lambda: count("tollgate_ami_up"), 0, 10)
    rig.asterisk.start()
    claims.soon("it is up again when Asterisk is", lambda: count("tollgate_ami_up"), 1, 15)
    claims.equal("that is the second login", count("tollgate_ami_logins_total"), 2)

    # Stopped, Asterisk keeps its connections and says nothing on them.
    rig.asterisk.freeze()
    try:
        claims.soon("a link to an Asterisk that hangs is given up", lambda: count("tollgate_ami_up"), 0, 15)
    finally:
        rig.asterisk.thaw()
    claims.soon("and taken up when it goes on", lambda: count("tollgate_ami_up"), 1, 20)
    claims.equal("nothing was missed", count("tollgate_ami_events_missed_total"), 0)
    log = engine.log()
    claims.equal("each change is said once", (log.count("the manager link is up"), log.count("is away: the server is silent")), (3, 1))
    claims.that("no secret is in the log", net.MANAGER_SECRET not in log)
    engine.stop()
    wait_until("the server to end", lambda: not engine.running())
