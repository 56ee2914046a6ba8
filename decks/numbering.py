"""Real prefixes and the names of what they reach, from libphonenumber's data.

Three sources of the `phonenumbers` package are joined:

* the country metadata: which leading digits are fixed, mobile, toll free, premium …;
* the geographic data: names of areas;
* the carrier data: names of mobile networks.

Every prefix is classified by the metadata, whatever source it came from, so a
named area inside a premium range is a premium prefix.
"""

from collections import Counter, namedtuple

import phonenumbers
from phonenumbers import PhoneMetadata
from phonenumbers.carrierdata import CARRIER_DATA
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.geodata.locale import LOCALE_DATA

from patterns import automaton

class Destination(namedtuple("Destination", "region kind detail name")):
    """What a prefix reaches.

    `region` is an ISO country or, for codes of no country, the code itself; `detail` is an area,
    a mobile network or "".
    """

    __slots__ = ()

    @property
    def market(self):
        """A region's numbers that are sold as one kind: what might be mobile is sold as mobile."""
        return self.region, {"either": "fixed", "unclear": "mobile"}.get(self.kind, self.kind)

# libphonenumber's descriptions, in the order in which it decides between them.
KINDS = {
    "premium_rate": "premium",
    "toll_free": "toll free",
    "shared_cost": "shared cost",
    "voip": "VoIP",
    "personal_number": "personal",
    "pager": "pager",
    "uan": "corporate",
    "mobile": "mobile",
    "fixed_line": "fixed",
}
TITLES = {
    "premium": "Premium rate",
    "toll free": "Toll free",
    "shared cost": "Shared cost",
    "VoIP": "VoIP",
    "personal": "Personal numbers",
    "pager": "Pagers",
    "corporate": "Corporate numbers",
    "mobile": "Mobile",
    "fixed": "Fixed",
    "either": "",  # no difference is made between fixed and mobile (North America)
    "unclear": "",  # fixed or mobile, but the prefix does not say which (much of Chile and Mexico)
    "other": "",  # the fallback of a country: what no longer prefix knows
}

# Codes that belong to no country, as the ITU assigns them.
SHARED_CODES = {
    "800": "International freephone",
    "808": "International shared cost",
    "870": "Inmarsat",
    "878": "Universal personal numbers",
    "881": "Global satellite",
    "882": "International networks 882",
    "883": "International networks 883",
    "888": "Disaster relief",
    "979": "International premium rate",
}
# Regions the package's English names leave out.
UNNAMED = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}

# Some areas are lists of towns, hundreds of letters long: those are cut.
LONGEST_DETAIL = 50

# How many digits after the country code the metadata is followed to tell kinds apart.
NATIONAL_DEPTH = 6
# Areas and networks are taken down to MAX_DIGITS, but no deeper than leaves a country code
# with so many of them: the data of a few countries goes down to single exchanges.
MAX_DIGITS = 8
MOST_AREAS = 13_000
MOST_NETWORKS = 3_000


def country_name(region):
    """The English name of a region."""
    if region in SHARED_CODES:
        return SHARED_CODES[region]
    if region in UNNAMED:
        return UNNAMED[region]
    names = LOCALE_DATA[region]
    name = names["en"]
    return names[name[1:]] if name.startswith("*") else name


def regions():
    """Every region with a numbering plan, as region -> country code."""
    found = {}
    for code, members in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for region in members:
            found[str(code) if region == "001" else region] = str(code)
    return found


class Plan:
    """The numbering plan of one country code, shared by all its regions."""

    def __init__(self, code, members):
        self.code = code
        self.main = code if members[0] == "001" else members[0]
        self._machines = []  # (region, kind, automaton)
        self._leading = []  # (region, automaton) of regions known by their first digits
        self._steps, self._kinds = {}, {}
        known = set()
        for region in members:
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
            region = code if region == "001" else region
            if metadata.leading_digits:
                self._leading.append((region, automaton(metadata.leading_digits)))
            patterns = {kind: getattr(metadata, field) for field, kind in KINDS.items()}
            patterns = {k: d.national_number_pattern for k, d in patterns.items() if d and d.national_number_pattern}
            if patterns.get("mobile") and patterns.get("mobile") == patterns.get("fixed"):
                patterns["either"] = patterns.pop("mobile")
                del patterns["fixed"]
            for kind, pattern in patterns.items():
                # The first region of a shared pattern owns it, as in libphonenumber.
                if (kind, pattern) not in known:
                    known.add((kind, pattern))
                    self._machines.append((region, kind, automaton(pattern)))
        self.start = (tuple(m.start for _, _, m in self._machines), tuple(m.start for _, m in self._leading))

    def step(self, state, digit):
        """The state after one more national digit."""
        key = (state, digit)
        if key not in self._steps:
            numbers, leading = state
            self._steps[key] = (
                tuple(m.step(s, digit) for (_, _, m), s in zip(self._machines, numbers)),
                # Once its leading digits have matched, a region stays matched.
                tuple(s if m.matched(s) else m.step(s, digit) for (_, m), s in zip(self._leading, leading)),
            )
        return self._steps[key]

    def live(self, state):
        """The (region, kind) pairs that numbers beginning so can have, in libphonenumber's order."""
        numbers, leading = state
        ruled = {region: s for (region, _), s in zip(self._leading, leading)}
        owner = next((r for (r, m), s in zip(self._leading, leading) if m.matched(s)), None)
        return [
            (region, kind)
            for (region, kind, _), s in zip(self._machines, numbers)
            if s and (region == owner if owner else ruled.get(region, True))
        ]

    def decided(self, state, depth):
        """The one (region, kind) of all numbers beginning so; None for none, "mixed" for several."""
        key = (state, depth)
        if key not in self._kinds:
            live = self.live(state)
            if not live:
                verdict = None
            elif len(live) == 1:
                verdict = live[0]
            elif depth >= NATIONAL_DEPTH:
                verdict = _closest(live)
            else:
                below = {self.decided(self.step(state, d), depth + 1) for d in "0123456789"} - {None}
                verdict = below.pop() if len(below) == 1 else "mixed" if below else _closest(live)
            self._kinds[key] = verdict
        return self._kinds[key]

    def state(self, national):
        """The state after some national digits."""
        state = self.start
        for digit in national:
            state = self.step(state, digit)
        return state

    def ranges(self):
        """The shortest prefixes at which (region, kind) is decided."""
        waiting = [("", self.start)]
        while waiting:
            national, state = waiting.pop()
            verdict = self.decided(state, len(national))
            if verdict == "mixed":
                waiting.extend((national + d, self.step(state, d)) for d in "0123456789")
            # No E.164 number has a national part that begins with 00: those are dialled at home only.
            elif verdict and national[:2] != "00":
                yield self.code + national, verdict


def _closest(live):
    """One pair of several that the followed digits do not tell apart.

    The first region wins. A range where premium numbers cannot be told apart
    counts as premium: refusing a few good numbers is cheaper than paying for a fraud.
    """
    region = live[0][0]
    kinds = [kind for r, kind in live if r == region]
    if "premium" not in kinds and {"mobile", "fixed"} <= set(kinds):
        return region, "unclear"
    for kind in ("premium", "mobile", "fixed"):
        if kind in kinds:
            return region, kind
    return region, kinds[0]


def plans():
    """The numbering plan of every country code."""
    return {str(code): Plan(str(code), members) for code, members in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()}


def code_of(prefix, known):
    """The country code a prefix begins with, or None."""
    return next((prefix[:n] for n in (1, 2, 3) if prefix[:n] in known), None)


def destinations():
    """Every prefix of the sample deck with its Destination, sorted by prefix.

    A prefix whose destination is that of the next shorter prefix is left out.
    """
    known = plans()
    areas = _thinned(_english(GEOCODE_DATA, known, ("fixed", "either")), MOST_AREAS, known)
    networks = _thinned(_english(CARRIER_DATA, known, ("mobile", "either")), MOST_NETWORKS, known)
    candidates = set(areas) | set(networks) | set(known)
    for plan in known.values():
        candidates.update(prefix for prefix, _ in plan.ranges())
    kept = {}
    for prefix in sorted(candidates):
        plan = known[code_of(prefix, known)]
        found = _describe(prefix, plan, _nearest(prefix, areas), _nearest(prefix, networks))
        if found and _nearest(prefix, kept) != found:
            kept[prefix] = found
    return kept


def disagreements(places):
    """Example numbers of the package that the deck takes for something else than the package does.

    Only kinds that cost differently by much are compared: where nothing but a number's length tells
    toll-free, shared-cost or corporate numbers from others, prefixes cannot.
    """
    types = phonenumbers.PhoneNumberType
    kinds = {
        types.PREMIUM_RATE: {"premium"},
        types.FIXED_LINE: {"fixed", "either", "unclear"},
        types.MOBILE: {"mobile", "either", "unclear"},
        types.FIXED_LINE_OR_MOBILE: {"mobile", "either", "unclear"},
    }
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for type_ in types.values():
            number = phonenumbers.example_number_for_type(region, type_)
            expected = number and kinds.get(phonenumbers.number_type(number))
            if expected:
                digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
                found = _nearest(digits, places)
                if found.kind not in expected or found.region != phonenumbers.region_code_for_number(number):
                    yield digits, found


def _describe(prefix, plan, area, network):
    """The destination of a prefix, or None if the metadata knows no number that begins so."""
    national = prefix[len(plan.code):]
    state = plan.state(national)
    verdict = plan.decided(state, len(national))
    if not national:
        only = verdict if verdict != "mixed" else None
        return _destination(plan.main, only[1] if only and only[1] == "premium" else "other", "")
    if verdict is None:
        return None
    if verdict != "mixed":
        region, kind = verdict
    else:
        live = plan.live(state)
        region, kinds = live[0][0], {kind for _, kind in live}
        kind = next((k for k, named in (("fixed", area), ("either", area), ("mobile", network)) if named and k in kinds), None)
        if kind is None:
            return None
    if kind in ("either", "unclear") and network:
        kind = "mobile"
    detail = {"fixed": area, "either": area, "unclear": area, "mobile": network}.get(kind) or ""
    return _destination(region, kind, detail)


def _destination(region, kind, detail):
    country = country_name(region)
    # Some areas are named after their country; "Andorra - Andorra" says nothing.
    detail = "" if detail == country else detail
    title = TITLES[kind] if kind == "mobile" or not detail else ""
    title = "" if region in SHARED_CODES else title
    return Destination(region, kind, detail, " - ".join(part for part in (country, title, detail) if part))


def _english(data, known, kinds):
    """The prefixes of a data set with an English name, where the metadata allows a number of `kinds`."""
    found = {}
    for prefix, names in data.items():
        name = _short(" ".join(names.get("en", "").split()))
        code = code_of(prefix, known)
        if not name or code is None or len(prefix) > MAX_DIGITS:
            continue
        live = known[code].live(known[code].state(prefix[len(code):]))
        if any(kind in kinds for _, kind in live):
            found[prefix] = name
    return found


def _short(name):
    """A name of at most LONGEST_DETAIL letters; a longer list of names keeps its first ones."""
    if len(name) <= LONGEST_DETAIL:
        return name
    cut = name[:LONGEST_DETAIL - 1]
    end = max(cut.rfind(mark) for mark in ("/", ",", " "))
    return cut[:end].rstrip(" /,-&") + "…"


def _thinned(names, most, known):
    """`names` cut, per country code, at the greatest depth that leaves at most `most` of them."""
    counts = Counter((code_of(prefix, known), len(prefix)) for prefix in names)
    depths = {}
    for code in known:
        total, depth = 0, 0
        for digits in range(1, MAX_DIGITS + 1):
            total += counts[(code, digits)]
            if total > most:
                break
            depth = digits
        depths[code] = depth
    return {prefix: name for prefix, name in names.items() if len(prefix) <= depths[code_of(prefix, known)]}


def _nearest(prefix, entries):
    """The entry of the longest key that begins `prefix`, itself included."""
    for digits in range(len(prefix), 0, -1):
        found = entries.get(prefix[:digits])
        if found:
            return found
    return None
