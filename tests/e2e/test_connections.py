# SPDX-License-Identifier: Apache-2.0
"""Many connections: idle ones are closed for new ones, and probes are answered while all are busy."""

import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEADLINE = 20  # seconds that something may take on a busy machine
MOST, RESERVED = 32, 16
IDLE = MOST - MOST // 16  # idle connections leave the rest free
HALF_A_BODY = (b"POST /items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               b"Content-Length: 100\r\n\r\n{")


def wait_for(what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


class Connections(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.open = []
        self.server = harness.Server(self.path("store"), "--connections-max", MOST, "--admin-listen", "127.0.0.1:0")
        self.addCleanup(self.end)
        self.server.client.close()
        self.assertTrue(wait_for(lambda: self.server.admin))
        self.private = harness.Client(self.server.admin)
        self.assertTrue(wait_for(lambda: self.metric("stair_http_connections") == 0))

    def end(self):
        self.private.close()
        for s in self.open:
            s.close()
        self.server.stop()

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.private.get("/metrics").body.decode(), re.M).group(1))

    def connect(self):
        host, port = self.server.address.rsplit(":", 1)
        s = socket.create_connection((host, int(port)), timeout=DEADLINE)
        self.open.append(s)
        return s

    def ask(self, s, path):
        """The status of a GET on this connection; 0 if it was closed."""
        try:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            got = b""
            while b"\r\n\r\n" not in got:
                part = s.recv(4096)
                if not part:
                    return 0
                got += part
            return int(got[9:12])
        except ConnectionError:
            return 0

    def work(self, connections):
        """Opens this many connections, one after the other, and begins a request on each. Until then each is idle."""
        for number in range(1, connections + 1):
            self.connect().sendall(HALF_A_BODY)
            self.assertTrue(wait_for(lambda: self.metric("stair_http_requests_in_flight") == number + 1))

    def test_a_full_house_of_idle_clients_makes_room_for_new_ones(self):
        clients = [self.connect() for _ in range(IDLE)]
        for s in clients:
            self.assertEqual(self.ask(s, "/popular"), 200)
        self.assertEqual(self.metric("stair_http_connections"), IDLE)
        self.assertEqual(self.metric("stair_http_idle_closed_total"), 0)
        for number in range(1, 6):
            self.assertEqual(self.ask(self.connect(), "/popular"), 200)
            self.assertTrue(wait_for(lambda: self.metric("stair_http_connections") == IDLE))
            self.assertEqual(self.metric("stair_http_idle_closed_total"), number)
        # Only the connections that were idle for longest are closed. Two neighbours may change places, because a
        # thread notes that a connection is idle just after the client has its answer.
        answers = [self.ask(s, "/popular") for s in clients]
        self.assertEqual(sorted(answers), [0] * 5 + [200] * (IDLE - 5))
        self.assertEqual(answers[10:], [200] * (IDLE - 10))

    def test_idle_clients_leave_room_for_those_at_work(self):
        for _ in range(MOST):
            self.assertEqual(self.ask(self.connect(), "/popular"), 200)
        self.assertTrue(wait_for(lambda: self.metric("stair_http_connections") == IDLE))
        # A burst of requests uses the connections that are kept free. All its requests are answered, not only /health.
        self.work(MOST - IDLE)
        self.assertEqual(self.ask(self.connect(), "/popular"), 200)

    def test_when_all_are_at_work_health_is_answered_and_the_rest_hears_why_not(self):
        self.work(MOST)
        for path in ("/health/live", "/health/ready", "/health"):
            self.assertEqual(self.ask(self.connect(), path), 200)
        s = self.connect()
        s.sendall(b"GET /popular HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while part := s.recv(4096):  # until it is closed
            answer += part
        self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
        self.assertIn(b"connections_max", answer)
        self.assertIn(b"\r\nRetry-After: 1\r\n", answer)
        self.assertEqual(self.private.get("/health/live").status, 200)

    def test_idle_connections_do_not_hold_the_reserve(self):
        self.work(MOST)
        for _ in range(2 * RESERVED):
            self.connect()
        self.assertEqual(self.ask(self.connect(), "/health/live"), 200)
        self.assertLessEqual(self.metric("stair_http_connections"), MOST + RESERVED)

    def test_an_idle_header_does_not_hold_a_place(self):
        for _ in range(MOST):
            self.connect().sendall(b"GET /popular HTTP/1.1\r\nHost: loc")
        # Two connections that are accepted at the same moment may each miss the other in their count.
        self.assertTrue(wait_for(lambda: self.metric("stair_http_connections") +
                                 self.metric("stair_http_idle_closed_total") == MOST))
        self.assertEqual(self.ask(self.connect(), "/popular"), 200)


if __name__ == "__main__":
    harness.main()
