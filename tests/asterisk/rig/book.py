"""The book, read where it lies: the database of a Tollgate that may be running, or dead."""

import json
import re
import sqlite3
import time
from pathlib import Path

from .process import RigError


# Without those that were written without the call's ticket and replaced by the settlement with it.
_CDRS = "(SELECT * FROM cdrs WHERE NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = cdrs.id)) AS cdrs"


class Book:
    """An SQLite database. Reads only."""

    def __init__(self, path: Path):
        self.path = path

    def _rows(self, query, values=()):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(query, values)]
        connection.close()
        return rows

    def cdrs(self, **where):
        """CDRs in the order of the book, with their payers (client first) under `payers`."""
        condition = " AND ".join(f"{name} = :{name}" for name in where) or "1 = 1"
        rows = self._rows(f"SELECT * FROM {_CDRS} WHERE {condition} ORDER BY id", where)
        for row in rows:
            row["payers"] = self._rows(
                "SELECT * FROM cdr_payers WHERE cdr_id = ? ORDER BY position", (row["id"],))
            row["attempts"] = json.loads(row["attempts"])
        return rows

    def count(self, **where):
        condition = " AND ".join(f"{name} = :{name}" for name in where) or "1 = 1"
        return self._rows(f"SELECT count(*) AS n FROM {_CDRS} WHERE {condition}", where)[0]["n"]

    def refusals(self):
        """How often each reason was recorded: one by one, and counted beyond."""
        found = {}
        for row in self._rows("SELECT refused_reason AS reason, count(*) AS n FROM cdrs "
                              "WHERE disposition = 'refused' GROUP BY refused_reason"):
            found[row["reason"]] = found.get(row["reason"], 0) + row["n"]
        for row in self._rows("SELECT reason, sum(count) AS n FROM refusal_counts GROUP BY reason"):
            found[row["reason"]] = found.get(row["reason"], 0) + row["n"]
        return found

    def entries(self, cdr):
        """The ledger's lines of a call."""
        return self._rows("SELECT * FROM entries WHERE tx_id = ? ORDER BY id", (cdr["tx_id"],)) if cdr["tx_id"] else []

    def imbalance(self):
        """Transactions whose entries do not sum to zero."""
        return self._rows("SELECT tx_id, currency, sum(amount) AS off FROM entries GROUP BY tx_id, currency "
                          "HAVING sum(amount) <> 0")

    def wait_cdrs(self, wanted, seconds=10.0, **where):
        """The CDRs, once there are `wanted` of them."""
        deadline = time.monotonic() + seconds
        while self.count(**where) < wanted:
            if time.monotonic() > deadline:
                found = [(row["disposition"], row["refused_reason"], row["dialled"]) for row in self.cdrs(**where)]
                raise RigError(f"{len(found)} CDRs with {where or 'anything'} after {seconds:g} s, not {wanted}: {found}")
            time.sleep(0.05)
        return self.cdrs(**where)

    def calls_of(self, sip_call_ids):
        """How often each SIP call is in the book as an answered one: {Call-ID: times}."""
        found = {}
        for row in self._rows(f"SELECT sip_call_id AS id, count(*) AS n FROM {_CDRS} WHERE disposition = 'answered' "
                              "GROUP BY sip_call_id"):
            found[row["id"]] = row["n"]
        return {call: found.get(call, 0) for call in sip_call_ids}

    def settled_twice(self):
        """Call keys with more than one record."""
        return self._rows(f"SELECT server, unique_id, count(*) AS n FROM {_CDRS} WHERE disposition <> 'refused' "
                          "GROUP BY server, unique_id HAVING count(*) > 1")

    def held_too_long(self, slack_s):
        """Journalled calls whose hold should have ended so long ago: the grant's end and 60 s."""
        before = int((time.time() - 60 - slack_s) * 1_000_000)
        return self._rows("SELECT unique_id FROM open_calls WHERE hold_until < :before", {"before": before})

    def open_calls(self):
        return self._rows("SELECT count(*) AS n FROM open_calls")[0]["n"]


class PostgresBook(Book):
    """A database of a `Postgres`, which must be there to be asked."""

    def __init__(self, server, name):
        super().__init__(None)
        self._server = server
        self._name = name

    def _rows(self, query, values=()):
        if isinstance(values, dict):
            query = re.sub(r":(\w+)", lambda found: _literal(values[found.group(1)]), query)
        else:
            remaining = iter(values)
            query = re.sub(r"\?", lambda _: _literal(next(remaining)), query)
        return [json.loads(line) for line in self._server.ask(self._name, f"SELECT row_to_json(r) FROM ({query}) r")]


def _literal(value):
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
