"""Makes one Markdown table of what the benchmarks said in one run.

    python3 benches/table.py DIRECTORY

The directory holds NAME.out for each benchmark. A line that is missing is an error: a row that silently went away
would look like a benchmark that was never there.
"""

import os
import platform
import re
import sys
from pathlib import Path

ROWS = []


def row(what, measured, beside="", ratio="", target=""):
    ROWS.append((what, measured, beside, ratio, target))


def said(directory, name, pattern):
    """The groups of the one line of a benchmark that matches."""
    text = (directory / f"{name}.out").read_text()
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        sys.exit(f"{name} did not say {pattern!r}:\n{text}")
    return found.groups()


def facts(directory, name, line):
    """The `key=value` pairs of a `bench:` line."""
    (text,) = said(directory, name, rf"^bench: {line} (.*)$")
    return dict(pair.split("=", 1) for pair in text.split())


def thousands(number):
    return f"{round(float(number)):,}"


def time(ns):
    ns = float(ns)
    return f"{ns:.0f} ns" if ns < 1_000 else f"{ns / 1_000:.2f} µs"


def prefixes(directory):
    for deck, count in [("random", 250_000), ("random", 1_000_000), ("skewed", 1_000_000)]:
        pattern = (
            rf"^{deck}: {count} prefixes,.*last digit (\d+) ns, from the longest prefix's \d+ ns, index (\d+) ns: "
            r"ratio ([\d.]+) and ([\d.]+); (\d+) bytes"
        )
        probed, index, ratio, from_longest, size = said(directory, "prefix", pattern)
        what = f"longest prefix of a random number, {count:,} random prefixes"
        if deck == "skewed":
            what = f"the same, {count:,} prefixes crowded as in real decks, numbers that all match"
        row(
            what,
            f"{index} ns, {size} bytes a prefix",
            f"hash map probed longest-first: {probed} ns",
            f"{ratio} ({from_longest} where probing begins at the deck's longest prefix)",
            "3; 16 bytes" if deck == "random" else "",
        )


def imports(directory):
    seconds, rate = said(directory, "import", r"^read, checked, compiled, settlements beside it +([\d.]+) s +(\d+) rows/s")
    row(
        "1,000,000 deck rows read, checked and compiled, settlements going on beside it",
        f"{seconds} s, {thousands(rate)} rows/s",
        target="200,000 rows/s",
    )
    seconds, rate, settled, slowest = said(
        directory,
        "import",
        r"^to a published version in SQLite, settlements beside it +([\d.]+) s +(\d+) rows/s\n"
        r" +meanwhile (\d+) settlements a second, slowest ([\d.]+) ms",
    )
    row(
        "the same to a published version in SQLite",
        f"{seconds} s, {thousands(rate)} rows/s",
        f"{settled} settlements/s meanwhile, the slowest {slowest} ms",
        target="200,000 rows/s",
    )


def calls(directory):
    for line, what, target in [
        ("rate_and_hold", "two rates, and a hold on both wallets", "1 µs"),
        ("settle", "both payers' charges, and both holds replaced by them", "1 µs"),
        ("authorise", "the whole authorisation: rates, holds, routes, ticket, variables, journal's hand-over", "5 µs"),
        ("authorise_while_the_journal_is_written", "the same while the journal's writer works beside it", "5 µs"),
    ]:
        measured = facts(directory, "calls", line)
        row(what, time(measured["ns"]), target=target)
    nothing = facts(directory, "calls", "two_threads_that_share_nothing")["ratio"]
    for line, what in [("two_threads_rate_and_hold", "rating and holding"), ("two_threads_authorise", "authorising")]:
        measured = facts(directory, "calls", line)
        row(
            f"two threads {what}, different clients of the same resellers",
            f"{time(measured['two_ns'])} a call",
            f"one thread: {time(measured['one_ns'])}",
            f"{measured['ratio']} (two that share nothing: {nothing})",
            "1.7",
        )
    measured = facts(directory, "calls", "charge_by_length")
    row(
        "charging a call of ten hours",
        time(measured["ten_hours_ns"]),
        f"of ten seconds: {time(measured['ten_seconds_ns'])}",
        measured["ratio"],
        "the same",
    )


def charges(directory):
    (short,) = said(directory, "charge", r"^charge/windows and steps/10 s\s+time: +\[\S+ \S+ ([\d.]+) ns")
    (long,) = said(directory, "charge", r"^charge/windows and steps/10 h\s+time: +\[\S+ \S+ ([\d.]+) ns")
    ratio = f"{float(long) / float(short):.2f} (it crosses every step and four windows)"
    row("the same at a rate with windows and steps", time(long), f"of ten seconds: {time(short)}", ratio)


def fastagi(directory):
    own = facts(directory, "fastagi", "fastagi_authorise")
    bare = facts(directory, "fastagi", "fastagi_bare_server")
    both = facts(directory, "fastagi", "fastagi_beside_bare")

    def words(of):
        return f"{thousands(of['calls_per_second'])} calls/s, p50 {of['p50_us']} µs, p99 {of['p99_us']} µs"

    row(
        "FastAGI authorise over TCP, a connection a call, 16 at once",
        words(own),
        f"bare tokio server, the same bytes: {words(bare)}",
        f"{both['ratio']} (of processor time {both['cpu_ratio']})",
        "0.8",
    )


def http(directory):
    for name, what, target in [
        ("me", "`me` of the client API, connections kept open, 16 at once", "0.5"),
        ("transfer", "`transfer` of the reseller API likewise, each in the book when it is answered", ""),
    ]:
        own, bare = (facts(directory, "http", f"http_{name}_{whose}") for whose in ("own", "bare"))
        both = facts(directory, "http", f"http_{name}_beside_bare")
        own, bare = (
            f"{thousands(of['requests_per_second'])} requests/s, p50 {of['p50_us']} µs, p99 {of['p99_us']} µs"
            for of in (own, bare)
        )
        row(what, own, f"bare axum handler, the same bytes: {bare}", both["ratio"], target)


def ledger(directory):
    text = (directory / "ledger.out").read_text()
    for database, setting in [("SQLite", "synchronous=FULL"), ("PostgreSQL", "synchronous_commit=on")]:
        numbers = r"(\d+) +([\d.]+) +([\d.]+) +([\d.]+)"
        if re.search(rf"^{database} +not measured", text, re.MULTILINE):
            row(f"durable settlements, {database}", "not measured: no server")
            continue
        one = said(directory, "ledger", rf"^{database} +one commit a call +{numbers} ")
        group = said(directory, "ledger", rf"^{database} +group commit +{numbers} ")
        row(
            f"durable settlements, {database} ({setting}), 256 callers",
            f"{thousands(group[0])}/s, p50 {group[1]} ms, p99 {group[2]} ms",
            f"one commit a call: {thousands(one[0])}/s, p50 {one[1]} ms",
            f"{float(group[0]) / float(one[0]):.1f}",
        )


def metering(directory):
    measured = facts(directory, "metering", "metering")
    row(
        f"metering {thousands(measured['live'])} live calls in slices of 120 s: holds renewed and journalled, ends told",
        f"{measured['core_percent']} % of one core",
        f"{measured['renewals_per_second']} renewals and {measured['pushes_per_second']} ends a second",
        target="10 %",
    )


def machine():
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), Linux {platform.release().split('-')[0]}; "
        f"load at the end of the run {load:.1f}."
    )


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = Path(sys.argv[1])
    for part in [prefixes, imports, calls, charges, fastagi, http, ledger, metering]:
        part(directory)
    print("| what | measured | beside it | ratio | target |")
    print("|---|---|---|---|---|")
    for cells in ROWS:
        print(f"| {' | '.join(cells)} |")
    print(f"\n{machine()}")


main()
