"""The book, read where it lies: the SQLite database of a Tollgate that may be running, or dead."""

import json
import sqlite3
import time
from pathlib import Path

from .process import RigError


class Book:
    """Reads only."""

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
        rows = self._rows(f"SELECT * FROM cdrs WHERE {condition} ORDER BY id", where)
        for row in rows:
            row["payers"] = self._rows(
                "SELECT * FROM cdr_payers WHERE cdr_id = ? ORDER BY position", (row["id"],))
            row["attempts"] = json.loads(row["attempts"])
        return rows

    def count(self, **where):
        condition = " AND ".join(f"{name} = :{name}" for name in where) or "1 = 1"
        return self._rows(f"SELECT count(*) AS n FROM cdrs WHERE {condition}", where)[0]["n"]

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
