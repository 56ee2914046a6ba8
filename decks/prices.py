"""Invented prices. No operator charges them; they only have the shape of real ones.

Everything is an integer and follows from names alone, so a rebuild gives the same
prices: `spread(text, n)` is the SHA-256 of the text, reduced to 0..n-1.

The wholesale deck counts in 1/10,000 of the currency unit a minute:

* A region's fixed price lies in its tier: CHEAP 40..149, DEAR 3,000..8,999, otherwise 250..1,749.
* Mobile is 1.8 to 3.2 times that plus 20. Other kinds are multiples of it (TIMES). Toll-free numbers
  of North America cost nothing, premium numbers ten times the fixed price plus 10,000, and are blocked.
* An area deviates from its region's fixed price by up to 10 % either way, a network from the mobile
  price by up to 12 %. So mobile is dearer than fixed everywhere in a region.
* What might be mobile costs as much as mobile: the fallback of a country, for numbers that no longer prefix
  knows, and ranges whose prefixes do not say. Not so in North America, where no difference is made.

A carrier counts in 1/1,000,000: a percentage of the wholesale price of the same destination.

The deck of messages counts in 1/10,000 a segment, by region: CHEAP 60..749, DEAR 900..2,399, otherwise 350..1,199.
"""

from collections import namedtuple
from hashlib import sha256

PriceTerms = namedtuple("PriceTerms", "price decimals connect_fee initial_block increment blocked")

# The tiers are a rough guess at where calls are cheap and dear to terminate, and no more than that.
CHEAP = frozenset("US CA PR DE FR GB IE NL BE LU AT CH IT ES PT SE NO DK FI PL CZ HU GR RO AU NZ JP KR SG HK TW CN IN BR MX AR IL TR".split())
DEAR = frozenset("870 878 881 882 883 888 979 AC SH TA FK NU TK TV WF NR KI SB VU PG CK WS TO KM GW ST CU SO TD CF GQ ER DJ TN MV KP".split())

# Percent of the fixed price.
TIMES = {"shared cost": 200, "VoIP": 120, "personal": 400, "pager": 300, "corporate": 200, "toll free": 100}

PER_SECOND = (1, 1)
PER_MINUTE = (60, 60)
HALF_MINUTE = (30, 6)


def spread(text, size):
    """A number in 0..size-1 that depends on the text alone."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") % size


def wholesale(place, north_america):
    """The terms of the wholesale deck for a destination."""
    fixed = _fixed(place.region)
    if place.kind in ("fixed", "either"):
        price = fixed * (90 + spread(place.name, 21)) // 100 if place.detail else fixed
    elif place.kind in ("mobile", "unclear", "other"):
        price = _mobile(place.region)
        price = price * (88 + spread(place.name, 25)) // 100 if place.detail else price
        if place.kind == "other" and north_america:
            price = fixed
    elif place.kind == "premium":
        price = fixed * 10 + 10_000
    elif place.kind == "toll free" and north_america:
        price = 0
    else:
        price = fixed * TIMES[place.kind] // 100
    block, increment = _increments(place.region, north_america)
    return PriceTerms(price, 4, _connect_fee(place), block, increment, place.kind == "premium")


def segment(place):
    """The price of a segment of a message."""
    if place.region in CHEAP:
        return 60 + spread(f"segment {place.region}", 690)
    if place.region in DEAR:
        return 900 + spread(f"segment {place.region}", 1_500)
    return 350 + spread(f"segment {place.region}", 850)


def _fixed(region):
    if region in CHEAP:
        return 40 + spread(f"fixed {region}", 110)
    if region in DEAR:
        return 3_000 + spread(f"fixed {region}", 6_000)
    return 250 + spread(f"fixed {region}", 1_500)


def _mobile(region):
    return _fixed(region) * (180 + spread(f"mobile {region}", 141)) // 100 + 20


def _increments(region, north_america):
    """Three in five regions are billed by the second, the rest by the minute or by 30/6."""
    if north_america:
        return HALF_MINUTE
    if region in CHEAP:
        return PER_SECOND
    draw = spread(f"increments {region}", 10)
    return PER_MINUTE if draw < 3 else HALF_MINUTE if draw < 5 else PER_SECOND


def _connect_fee(place):
    """In 1/10,000: premium, shared-cost, corporate and satellite numbers, and the mobiles of one region in twelve."""
    if place.kind == "premium" or place.region in ("870", "881", "882", "883"):
        return 1_000
    if place.kind in ("shared cost", "corporate"):
        return 150
    if place.kind == "mobile" and spread(f"connect {place.region}", 12) == 0:
        return 50
    return 0


class Carrier:
    """What a carrier charges, as a share of the wholesale price of the same destination."""

    def __init__(self, name, least, most, dear_share, sells_premium):
        self.name = name
        self._least, self._most = least, most  # percent of the wholesale price
        self._dear_share = dear_share  # of a hundred markets, how many are sold above the wholesale price
        self._sells_premium = sells_premium

    def terms(self, place, north_america):
        """The carrier's terms for a destination."""
        base = wholesale(place, north_america)
        percent = self._percent(place)
        dear = percent > 100
        # A carrier bills by the second or as coarsely as the wholesale deck. Only where it is dear anyway
        # may it bill by the minute: else every short call would be carried at a loss.
        blocks = (base.initial_block, base.increment)
        draw = spread(f"increments {self.name} {place.region}", 3)
        if dear and draw == 0:
            blocks = PER_MINUTE
        elif draw == 1:
            blocks = PER_SECOND
        # Connect fees are kept, in the same share. 1/10,000 times a percentage counts in 1/1,000,000.
        return PriceTerms(
            base.price * percent, 6, base.connect_fee * min(percent, 100), *blocks, base.blocked and not self._sells_premium
        )

    def _percent(self, place):
        """One percentage for each market."""
        market = " ".join((self.name, *place.market))
        if spread(f"dear {market}", 100) < self._dear_share:
            return 104 + spread(f"percent {market}", 27)
        return self._least + spread(f"percent {market}", self._most - self._least + 1)


CARRIER_A = Carrier("carrier-a", 64, 80, 8, sells_premium=False)
CARRIER_B = Carrier("carrier-b", 55, 84, 9, sells_premium=True)
