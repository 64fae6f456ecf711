# SPDX-License-Identifier: Apache-2.0
"""The HTTP loop: a legal but unusual request gets exactly one answer, and none stays open."""

import gzip
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
        """Requests that have begun and not ended, except the one that asks."""
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
        many = b"&".join([b"a"] * 4000)  # as many as fit into a target
        answer = self.server.raw(b"GET /health/live?" + many + b" HTTP/1.1\r\n" + HOST + END)
        self.assertEqual(status(answer), 200, answer[:300])
        self.assert_none_left_behind()

    def test_a_query_behind_a_nul_leaves_no_request_behind(self):
        self.server.raw(b"GET /\0?" + b"&".join([b"a"] * 4000) + b" HTTP/1.1\r\n" + HOST + END)
        self.assert_none_left_behind()

    def get_live(self, headers, target=b"/health/live"):
        return self.server.raw(b"GET " + target + b" HTTP/1.1\r\n" + HOST + headers + END)

    def assert_one_problem(self, answer, wanted, *words):
        """Checks that there is exactly one answer, and that it is stair's own problem document."""
        self.assertEqual((status(answer), answer.count(b"HTTP/1.1 ")), (wanted, 1), answer[:600])
        self.assertIn(b"\r\nX-Request-Id: ", answer)
        self.assertIn(b"\r\nContent-Type: application/problem+json", answer)
        for word in words:
            self.assertIn(word, answer)

    def test_a_header_over_the_limit_gets_one_431_that_names_it(self):
        for name in (b"Cookie", b"X"):
            for length in (16384, 17000, 20000, 30000):
                self.assert_one_problem(self.get_live(name + b": " + b"a" * length + b"\r\n"), 431, b"16384")
        self.assert_one_problem(self.get_live(b"Cookie: " + b"a=1; " * 5000 + b"\r\n"), 431, b"16384")
        for lines in (101, 200, 400):
            self.assert_one_problem(self.get_live(b"X: y\r\n" * lines), 431, b"100")
        self.assert_none_left_behind()

    def test_the_largest_header_within_the_limits_is_taken(self):
        self.assertEqual(status(self.get_live(b"Cookie: " + b"a" * 16000 + b"\r\n")), 200)
        self.assertEqual(status(self.get_live(b"Cookie: " + b"a=1; " * 3200 + b"\r\n")), 200)
        target = b"/health/live?".ljust(8192, b"a")
        # With Host and Connection these are 100 lines. A line counts as its name, its value and four bytes.
        lines = (b"X: " + b"y" * 160 + b"\r\n") * 97
        rest = 16384 - len(HOST) - len(END) + 2 - len(lines)
        self.assertEqual(status(self.get_live(lines + b"Y: ".ljust(rest - 2, b"z") + b"\r\n", target)), 200)
        self.assert_one_problem(self.get_live(lines + b"Y: ".ljust(rest - 1, b"z") + b"\r\n", target), 431, b"16385")

    def test_a_body_behind_the_largest_header_is_read(self):
        body = b'{"id":"a","title":"' + b"t" * 2000 + b'"}' + b" " * 100000
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        more = (b"X: " + b"y" * 160 + b"\r\n") * 96
        for target, wanted in ((b"/items?".ljust(8192, b"a"), 400), (b"/items", 201)):
            answer = self.server.raw(b"POST " + target + b" HTTP/1.1\r\n" + HOST + head + more + END + body)
            self.assertEqual((status(answer), answer.count(b"HTTP/1.1 ")), (wanted, 1), answer[:600])

    def test_a_bad_length_beside_long_cookies_leaves_no_request_behind(self):
        self.get_live(b"Cookie: " + b"a" * 20000 + b"\r\nContent-Length: -1\r\n")
        self.assert_none_left_behind()

    def test_a_long_body_where_none_belongs_is_told_no_limit_of_others(self):
        ask = self.server.client
        body, chunks = b" " * 70000, b"11170\r\n" + b" " * 70000 + b"\r\n0\r\n\r\n"
        self.assert_problem(ask.put("/recommend", body), 405)
        self.assert_problem(ask.post("/nowhere", body), 404)
        refused = ask.ask("DELETE", "/items/x", body)
        self.assert_problem(refused, 413, "needs none")
        self.assertNotIn(b"body_bytes_max", refused.body)
        for line, wanted in ((b"PUT /recommend", 405), (b"POST /nowhere", 404), (b"DELETE /items/x", 413)):
            answer = self.server.raw(line + b" HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n" + END + chunks)
            self.assert_one_problem(answer, wanted)
            self.assertNotIn(b"body_bytes_max", answer)
        self.assert_none_left_behind()

    def test_a_page_of_the_allowed_origin_may_read_every_answer(self):
        origin = "https://shop.example"
        with harness.Server(self.path("other"), "--allow-origin", origin) as server:
            ask = server.client
            for answer, wanted in ((ask.get("/popular"), 200), (ask.get("/nowhere"), 404),
                                   (ask.delete("/popular"), 405), (ask.post("/items", {"id": "a"}), 201)):
                self.assertEqual(answer.status, wanted)
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
                readable = answer.headers["Access-Control-Expose-Headers"].split(", ")
                for name in ("X-Request-Id", "Retry-After", "Location"):
                    self.assertIn(name, readable)
            for path in ("/items", "/nowhere"):  # so that the answer that follows is read, also a 404
                answer = ask.ask("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
                                 contract_check=False)
                self.assertEqual(answer.status, 204)
                self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
        self.assertNotIn("Access-Control-Expose-Headers", self.server.client.get("/popular").headers)

    def test_a_compressed_body_is_refused_with_what_is_taken_instead(self):
        ask, body = self.server.client, b'{"id":"a"}'
        json = {"Content-Type": "application/json"}
        refused = ask.post("/items", gzip.compress(body), headers={**json, "Content-Encoding": "gzip"})
        self.assert_problem(refused, 415, "gzip")
        self.assertEqual(refused.headers["Accept-Encoding"], "identity")
        self.assertEqual(ask.post("/items", body, headers={**json, "Content-Encoding": "identity"}).status, 201)

    def test_a_target_in_absolute_form_is_taken(self):
        for target, wanted in ((b"http://localhost/popular?k=1", 200), (b"HTTP://127.0.0.1:80/health/live", 200),
                               (b"http://localhost/nowhere", 404), (b"http://localhost?a=/popular", 400),
                               (b"http://evil.example/popular", 403)):
            answer = self.get_live(b"", target)
            self.assertEqual((status(answer), answer.count(b"HTTP/1.1 ")), (wanted, 1), answer[:300])


if __name__ == "__main__":
    harness.main()
