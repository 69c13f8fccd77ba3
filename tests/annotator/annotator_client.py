"""What a page does, without one."""

import json
import time
import urllib.error
import urllib.request

from ranet.annotator.server import TOKEN_HEADER


class Client:
    """What a page does."""

    def __init__(self, server):
        self.server = server
        self.headers = {TOKEN_HEADER: server.token, "Content-Type": "application/json"}

    def ask(self, path, body=None, **headers):
        """Status, headers and body of the answer; ``body`` as JSON, or bytes, makes it a POST."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.server_port}{path}", data, self.headers | headers
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path, body=None, **headers):
        status, _, answer = self.ask(path, body, **headers)
        assert status == 200, answer
        return json.loads(answer)

    def refused(self, path, body=None, **headers):
        """Status and message."""
        status, kind, answer = self.ask(path, body, **headers)
        assert kind["Content-Type"] == "application/json"
        return status, json.loads(answer)["error"]


def wait_until(condition, seconds=60):
    """For what another thread does; fails loudly instead of waiting forever."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)
