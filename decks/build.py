#!/usr/bin/env python3
"""Builds the sample decks beside this file from the `phonenumbers` package.

    build.py            write the decks
    build.py --check    compare the decks with a rebuild, and check what they promise

The package, at the version and hashes of requirements.txt, is installed into a
temporary virtual environment, from wherever pip takes its packages here, unless
the running Python already has that version.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import csv
import io
import os
import re
import subprocess
import tempfile
import venv
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
HEADER = ["prefix", "price_per_minute", "destination", "connect_fee", "initial_block", "increment", "blocked"]
SMS_HEADER = ["prefix", "price", "destination"]
WHOLESALE, CARRIER_A, CARRIER_B = "world-wholesale.csv", "world-carrier-a.csv", "world-carrier-b.csv"
SMS = "world-sms.csv"

LEAST_WHOLESALE, MOST_WHOLESALE = 60_000, 80_000
LEAST_CARRIER, MOST_CARRIER = 15_000, 30_000
LEAST_SMS, MOST_SMS = 240, 3_000
MOST_BYTES = 6_500_000  # of all decks: they are kept in git
MOST_LETTERS = 100  # of a destination name: an import refuses longer ones
# Of the wholesale prefixes a carrier reaches, the percentage it may carry above the wholesale price:
# some, so that the loss guard has work, and few, so that most calls have a route.
LEAST_LOSSES, MOST_LOSSES = 1, 12

REBUILT_IN = "TOLLGATE_DECKS_VENV"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="write nothing; status 1 if anything differs or is wrong")
    options = arguments.parse_args()
    if not has_package():
        return run_with_package()

    decks = build()
    if options.check:
        wrong = [f"{name} differs from a rebuild" for name, text in decks.items() if not same(HERE / name, text)]
    else:
        for name, text in decks.items():
            (HERE / name).write_bytes(text)
        wrong = []
    wrong += faults(decks)
    for name, text in decks.items():
        prefixes = text.count(b"\n") - 1
        print(f"{name}: {prefixes} prefixes, {len(text)} bytes")
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    return 1 if wrong else 0


def has_package():
    """Whether this Python has the pinned version of the package."""
    wanted = re.match(r"phonenumbers==(\S+)", REQUIREMENTS.read_text())[1]
    try:
        return metadata.version("phonenumbers") == wanted
    except metadata.PackageNotFoundError:
        return False


def run_with_package():
    """Runs this script again in a temporary environment that has the package."""
    if os.environ.get(REBUILT_IN):
        sys.exit("the package was installed but is not the version that requirements.txt names")
    with tempfile.TemporaryDirectory(prefix="tollgate-decks-") as folder:
        try:
            venv.create(folder, with_pip=True)
            python = Path(folder) / "bin" / "python"
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
            subprocess.run([*install, "--requirement", REQUIREMENTS], check=True)
        except (subprocess.CalledProcessError, OSError) as error:
            sys.exit(f"cannot install the package of {REQUIREMENTS.name}: {error}\n(on Debian: apt-get install python3-venv)")
        again = [python, "-B", __file__, *sys.argv[1:]]
        return subprocess.run(again, check=False, env={**os.environ, REBUILT_IN: "1"}).returncode


def build():
    """The decks, as file name -> bytes."""
    import numbering
    import prices

    places = numbering.destinations()
    offered = {
        WHOLESALE: (places, prices.wholesale),
        CARRIER_A: (shallower(places, reaches_a), prices.CARRIER_A.terms),
        CARRIER_B: (shallower(places, reaches_b), prices.CARRIER_B.terms),
    }
    decks = {}
    for name, (reached, terms) in offered.items():
        rows = {prefix: (place, terms(place, prefix.startswith("1"))) for prefix, place in reached.items()}
        decks[name] = as_csv(rows)
    decks[SMS] = as_sms_csv(by_country(places))
    return decks


def by_country(places):
    """The prefixes that tell one country's numbers from another's, and no longer ones: messages are priced by country."""
    kept = {}
    for prefix in sorted(places):
        above = longest(prefix, kept)
        if above is None or above.region != places[prefix].region:
            kept[prefix] = places[prefix]
    return kept


def as_sms_csv(places):
    """A deck of messages: the price of a segment by prefix, as the other decks are written."""
    import prices

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SMS_HEADER)
    for prefix, place in places.items():
        writer.writerow([prefix, decimal(prices.segment(place), 4), place.name.split(" - ")[0]])
    return out.getvalue().encode()


def reaches_a(_place):
    """Carrier A reaches the whole world and knows networks and areas to five digits."""
    return 5


def reaches_b(place):
    """Carrier B knows networks to six digits, areas to four; it leaves out satellites and one smaller country in ten."""
    from prices import CHEAP, spread

    if place.region.isdigit() or (place.region not in CHEAP and spread(f"carrier-b serves {place.region}", 10) == 0):
        return 0
    return 6 if place.kind == "mobile" else 4


def shallower(places, reach):
    """The prefixes of a carrier that tells areas and networks apart down to `reach(place)` digits only.

    A longer prefix stays where the carrier would otherwise take the numbers for another
    country's or another kind's: a mobile of Guernsey inside the United Kingdom's code.
    """
    kept = {}
    for prefix in sorted(places):
        place = places[prefix]
        digits = reach(place)
        if not digits:
            continue
        above = longest(prefix, kept)
        if not place.detail or len(prefix) <= digits or above is None or place.market != above.market:
            kept[prefix] = place
    return kept


def as_csv(deck):
    """A deck sorted by prefix, LF line ends, cells that say the default left empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for prefix in sorted(deck):
        place, terms = deck[prefix]
        fee = decimal(terms.connect_fee, terms.decimals) if terms.connect_fee else ""
        price = decimal(terms.price, terms.decimals)
        writer.writerow([prefix, price, place.name, fee, terms.initial_block, terms.increment, "true" if terms.blocked else ""])
    return out.getvalue().encode()


def decimal(units, decimals):
    """An integer count of 10^-decimals as decimal text without trailing zeros."""
    whole, part = divmod(units, 10**decimals)
    part = f"{part:0{decimals}}".rstrip("0")
    return f"{whole}.{part}" if part else str(whole)


def same(path, text):
    """Whether a file holds exactly these bytes."""
    return path.is_file() and path.read_bytes() == text


def faults(decks):
    """What a deck promises and does not keep."""
    import numbering

    found = []
    parsed = {}
    sizes = {WHOLESALE: (LEAST_WHOLESALE, MOST_WHOLESALE), SMS: (LEAST_SMS, MOST_SMS)}
    for name, text in decks.items():
        rows = list(csv.DictReader(io.StringIO(text.decode())))
        price = "price" if name == SMS else "price_per_minute"
        parsed[name] = {row["prefix"]: row for row in rows}
        least, most = sizes.get(name, (LEAST_CARRIER, MOST_CARRIER))
        if not least <= len(parsed[name]) <= most:
            found.append(f"{name}: {len(parsed[name])} prefixes, wanted {least} to {most}")
        if len(parsed[name]) != len(rows):
            found.append(f"{name}: a prefix is there twice")
        if [row["prefix"] for row in rows] != sorted(parsed[name]):
            found.append(f"{name}: not sorted by prefix")
        for row in rows:
            if not re.fullmatch(r"[1-9][0-9]{0,14}", row["prefix"]) or not re.fullmatch(r"[0-9]+(\.[0-9]{1,9})?", row[price]):
                found.append(f"{name}: {row['prefix']}: no prefix or no price")
            if not 1 <= len(row["destination"].strip()) <= MOST_LETTERS or any(ord(c) < 32 for c in row["destination"]):
                found.append(f"{name}: {row['prefix']}: no destination name, or too long a one")
    found += [f"{SMS}: no prefix for country code {code}" for code in numbering.regions().values() if code not in parsed[SMS]]
    found += wholesale_faults(parsed[WHOLESALE], numbering)
    for digits, place in numbering.disagreements(numbering.destinations()):
        found.append(f"{digits} is taken for {place.name}")
    for name in (CARRIER_A, CARRIER_B):
        share = losses(parsed[WHOLESALE], parsed[name])
        print(f"{name}: dearer than wholesale for {share:.1f} % of the prefixes it reaches")
        if not LEAST_LOSSES <= share <= MOST_LOSSES:
            found.append(f"{name}: dearer than wholesale for {share:.1f} % of the prefixes it reaches")
    if sum(map(len, decks.values())) > MOST_BYTES:
        found.append(f"the decks hold more than {MOST_BYTES} bytes")
    return found


def wholesale_faults(deck, numbering):
    """Countries without a fallback or a name, and ways around a block."""
    found = []
    names = {row["destination"].split(" - ")[0] for row in deck.values()}
    for region, code in numbering.regions().items():
        if code not in deck:
            found.append(f"no fallback for country code {code}")
        # Western Sahara's numbers are all Morocco's too.
        if numbering.country_name(region) not in names and region != "EH":
            found.append(f"no prefix of {numbering.country_name(region)}")
    for prefix, row in deck.items():
        above = longest(prefix[:-1], deck)
        if above and above["blocked"] and not row["blocked"]:
            found.append(f"{prefix} is not blocked, but a shorter prefix of it is")
    return found


def losses(sold, bought):
    """Of the prefixes sold and reached, the percentage bought dearer than sold."""
    reached = dearer = 0
    for prefix, row in sold.items():
        route = longest(prefix, bought)
        if route and not row["blocked"] and not route["blocked"]:
            reached += 1
            dearer += millionths(route["price_per_minute"]) > millionths(row["price_per_minute"])
    return 100 * dearer / max(reached, 1)


def millionths(text):
    """A decimal of at most six places, exactly."""
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def longest(prefix, deck):
    """The row of the longest prefix of `prefix`, itself included."""
    for digits in range(len(prefix), 0, -1):
        if prefix[:digits] in deck:
            return deck[prefix[:digits]]
    return None


if __name__ == "__main__":
    sys.exit(main())
