"""Who lives where. All of it is loopback; the rig runs in a network namespace of its own, so the ports are free."""

ASTERISK = "127.0.0.1"
SIP_PORT = 5060
AGI_PORT = 4573
HTTP_PORT = 8080
INTERNAL_PORT = 8081
MANAGER_PORT = 5038
# Where the relays listen that stand between Asterisk and Tollgate (rig/relay.py).
REALTIME_RELAY_PORT = 8082
MANAGER_RELAY_PORT = 5037
MANAGER_SECRET = "rig-manager-secret"
METRICS_TOKEN = "rig-metrics-token-of-32-letters-x"
POSTGRES_PORT = 5432
# sipp binds its own address; each carrier has one, because a trunk is known by its address.
CARRIER_PORT = 5070
CARRIERS = {"carrier-a": "127.0.1.1", "carrier-b": "127.0.1.2", "emergency": "127.0.1.9"}
PHONE = "127.0.2.1"
PHONE_PORT = 6000
# The address of the PBX that is known by it.
PBX = "127.0.3.1"
# Where the web phones' gateway listens, and what it registers from.
JANUS = "127.0.4.1"
JANUS_PORT = 8088
# Where it talks to browsers: ICE takes no address of the loopback.
JANUS_MEDIA = "10.4.0.1"
PASSWORD = "rig-phone-password"
# What Asterisk reads peers with.
REALTIME_TOKEN = "RigRealtimeToken0123456789abcdef"
# Loopback is no public address: IP peers of the rig are allowed to live there.
PRIVATE = "127.0.0.0/8"
