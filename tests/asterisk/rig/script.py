"""A script that uses Tollgate's HTTP APIs, as a reseller's portal does."""

import json
import urllib.error
import urllib.request

from . import net


class Script:
    """Somebody with a key of one of the APIs."""

    def __init__(self, api, key):
        self._base = f"http://{net.ASTERISK}:{net.HTTP_PORT}/{api}/index.php"
        self._key = key

    def read(self, endpoint):
        """(status, answer) of `endpoint`, with its parameters behind `&`."""
        return self._ask(endpoint, None)

    def write(self, endpoint, body):
        return self._ask(endpoint, json.dumps(body).encode())

    def _ask(self, endpoint, body):
        asked = urllib.request.Request(
            f"{self._base}?endpoint={endpoint}", data=body,
            headers={"X-API-Key": self._key, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
