# SPDX-License-Identifier: Apache-2.0
"""Requests that no client library would send: each is answered or its connection is closed, and nothing changes."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


class BadRequests(harness.TestCase):
    def setUp(self):
        super().setUp()
        _, store = self.shop_store()
        self.server = harness.Server(store)
        self.addCleanup(self.finish)
        self.seq = self.server.client.get("/model").json["seq"]

    def finish(self):
        try:
            self.assertEqual(self.server.client.get("/model").json["seq"], self.seq)
            self.assertEqual(self.server.client.get("/popular").status, 200)
        finally:
            self.assertEqual(self.server.stop(), 0, "".join(self.server.log[-20:]))

    def expect(self, data, *wanted, **more):
        answer = self.server.raw(data, **more)
        self.assertIn(status(answer), wanted, answer[:300])
        return answer

    def test_malformed_request_lines_and_headers_get_400_or_a_close(self):
        for data in (b"\r\n\r\nnonsense\r\n\r\n", b"GET\r\n\r\n", b"GET /popular\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                     b"GET /popular HTTP/9.9\r\n" + HOST + b"\r\n", b"GET http:// HTTP/1.1\r\n" + HOST + b"\r\n",
                     b"GET /%00 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
                     b"GET /items/%zz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
                     b"GET /recommend?user=%ff HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
                     b"GET /popular HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100000 + b"\r\nConnection: close\r\n\r\n",
                     b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
                     b"GET /popular HTTP/1.1\r\n" + HOST + b"".join(b"X%d: y\r\n" % n for n in range(5000)) + b"\r\n"):
            self.expect(data, None, 400, 404, 413, 414, 431, half_close=True, timeout=5)

    def test_a_host_that_is_not_loopback_is_refused(self):
        answer = self.expect(b"GET /popular HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 400, 403, 421)
        self.assertIn(b"application/problem+json", answer)

    def test_a_truncated_body_changes_nothing(self):
        self.expect(b"POST /items HTTP/1.1\r\n" + HOST + JSON + b'Content-Length: 100\r\n\r\n{"id":"half', None, 400,
                    half_close=True, timeout=5)

    def test_a_body_over_the_limit_is_refused_before_it_is_sent(self):
        answer = self.expect(b"POST /items HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 10737418240\r\n"
                             b"Connection: close\r\n\r\n", 413)
        self.assertIn(b"application/problem+json", answer)

    def test_a_chunked_body_without_an_end_over_the_limit_is_refused_and_cut(self):
        host, port = self.server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as s:
            s.sendall(b"POST /items HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n")
            part = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
            sent = 0
            try:
                for _ in range(400):
                    s.sendall(part)
                    sent += 1
                s.sendall(b"0\r\n\r\n")
                answer = s.recv(4096)
            except OSError:
                answer = b""
        self.assertTrue(sent < 400 or status(answer) == 413, (sent, answer[:100]))

    def test_two_requests_in_one_packet_get_two_answers_in_order(self):
        answer = self.server.raw(b"GET /popular?k=1 HTTP/1.1\r\n" + HOST + b"\r\n"
                                 b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 "), 2)
        self.assertLess(answer.index(b"HTTP/1.1 200"), answer.index(b"HTTP/1.1 404"))

    def test_writes_need_a_json_content_type(self):
        ask = self.server.client
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"):
            self.assert_problem(ask.post("/items", b'{"id":"x"}', headers={"Content-Type": kind}), 415)

    def test_a_wrong_method_names_the_right_ones(self):
        answer = self.server.client.ask("DELETE", "/recommend")
        self.assert_problem(answer, 405)
        self.assertIn("GET", answer.headers["Allow"])

    def test_unknown_parameters_fields_and_values_out_of_range_are_named(self):
        ask = self.server.client
        self.assert_problem(ask.get("/recommend", {"user": "u", "kk": 3}), 400, "kk")
        self.assert_problem(ask.get("/recommend", {"user": "u", "k": 0}), 400, "k")
        self.assert_problem(ask.get("/recommend", {"user": "u", "k": 1001}), 400, "1000")
        self.assert_problem(ask.get("/recommend"), 400, "user")
        self.assert_problem(ask.post("/items", {"id": "x", "colour": "red"}), 400, pointer="/colour")
        self.assert_problem(ask.post("/items", {"id": "x", "features": {"text": [1, 2, 3]}}), 400, "expected 24",
                            "/features/text")
        self.assert_problem(ask.post("/items", b'{"id":"x","id":"y"}'), 400)
        self.assert_problem(ask.post("/items", b"[" * 100000), 400)
        self.assert_problem(ask.post("/items", b'{"id":"\xff"}'), 400)

    def test_slow_clients_do_not_keep_others_waiting(self):
        host, port = self.server.address.rsplit(":", 1)
        slow = [socket.create_connection((host, int(port))) for _ in range(50)]
        try:
            for s in slow:
                s.sendall(b"POST /items HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 50\r\n\r\n{")
            for _ in range(20):
                self.assertEqual(self.server.client.get("/popular").status, 200)
            # No slow connection was closed to make room for others.
            for s in slow:
                s.setblocking(False)
                self.assertRaises(BlockingIOError, s.recv, 1)
        finally:
            for s in slow:
                s.close()


if __name__ == "__main__":
    harness.main()
