"""The HTTP loop: legal but unusual requests get one answer each, and none is left behind."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

HOST = b"Host: localhost\r\n"
END = b"Connection: close\r\n\r\n"
DEADLINE = 20  # seconds that something may take on a busy machine


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


class Http(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.server = harness.Server(self.path("store"), "--timeout", "1s")
        self.addCleanup(self.finish)

    def finish(self):
        self.assertEqual(self.server.stop(), 0)
        self.assertTrue(any("drained=true" in line for line in self.server.log), self.server.log[-5:])

    def in_flight(self):
        """Requests that have begun and not ended, without the one that asks."""
        text = self.server.client.get("/metrics").body.decode()
        return int(re.search(r"\nstair_http_requests_in_flight (\d+)\n", text).group(1)) - 1

    def assert_none_left_behind(self):
        end = time.monotonic() + DEADLINE
        while self.in_flight() > 0 and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(self.in_flight(), 0)

    def test_hundreds_of_parameters_are_answered(self):
        ask = self.server.client
        for count in (300, 427, 600):
            answer = ask.get("/recommend", {"user": "a", "k": 1, "exclude": range(count)})
            self.assertEqual(answer.status, 200, answer.body)
        self.assert_problem(ask.get("/recommend", {"user": "a", "k": 1, "exclude": range(1000)}), 414, "8192")
        many = b"&".join([b"a"] * 4000)  # the most that fit into a target
        answer = self.server.raw(b"GET /health/live?" + many + b" HTTP/1.1\r\n" + HOST + END)
        self.assertEqual(status(answer), 200, answer[:300])
        self.assert_none_left_behind()

    def test_a_query_behind_a_nul_leaves_no_request_behind(self):
        self.server.raw(b"GET /\0?" + b"&".join([b"a"] * 4000) + b" HTTP/1.1\r\n" + HOST + END)
        self.assert_none_left_behind()


if __name__ == "__main__":
    harness.main()
