# SPDX-License-Identifier: Apache-2.0
"""Callers use memory in every possible way at once; it stays below the sum that `stair check` prints."""

import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEADLINE = 30  # seconds that something may take on a busy machine
KIB, MIB = 1024, 1024 * 1024
LONG = bool(os.environ.get("TORTURE"))
CONNECTIONS = 1000 if LONG else 200
IDLE = CONNECTIONS - CONNECTIONS // 8  # a sixteenth is kept free of idle connections
SETTINGS = {"connections_max": CONNECTIONS, "threads": 2, "work_threads": 1, "body_bytes_max": "1MiB",
            "bodies_bytes_max": "8MiB", "answer_bytes_max": "4MiB", "answers_bytes_max": "16MiB",
            "queue_bytes_max": "4MiB", "work_max": 10**9, "exports_max": 2, "spool_bytes_max": "64MiB"}


def wait_for(what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def status_bytes(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{name}:\s+(\d+) kB", f.read(), re.M).group(1)) * KIB


class Memory(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.files, self.store = self.shop_store()
        self.users = list(harness.shop_users(self.files, 50))
        self.config = self.path("stair.conf")
        with open(self.config, "w", encoding="ascii") as f:
            f.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
        self.open = []
        self.server = harness.Server(self.store, "--config", self.config, "--admin-listen", "127.0.0.1:0")
        self.addCleanup(self.end)
        self.assertTrue(wait_for(lambda: self.server.admin))
        self.private = harness.Client(self.server.admin)

    def end(self):
        self.private.close()
        for s in self.open:
            s.close()
        self.server.stop()

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.private.get("/metrics").body.decode(), re.M).group(1))

    def connect(self, number=0, read_bytes=None):
        """Connects from one of many addresses. Each address counts as another caller."""
        host, port = self.server.address.rsplit(":", 1)
        s = socket.socket()
        self.open.append(s)
        s.settimeout(DEADLINE)
        if read_bytes is not None:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_bytes)
        s.bind((f"127.0.0.{2 + number % 200}", 0))
        s.connect((host, int(port)))
        return s

    def send(self, s, path, body=None, announced=None):
        text = b"" if body is None else body if isinstance(body, bytes) else harness.json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: localhost\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {announced or len(text)}\r\n"
        s.sendall(head.encode() + b"\r\n" + text)

    def answer(self, s):
        """Status and body of one answer."""
        got = b""
        while b"\r\n\r\n" not in got:
            part = s.recv(65536)
            if not part:
                return 0, b""
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
        while len(body) < length:
            body += s.recv(65536)
        return int(head[9:12]), body

    def allowed(self):
        told = harness.run_json("check", "--store", self.store, "--config", self.config)
        notes = "\n".join(told["notes"] + told["warnings"])
        parts = [float(x) for x in re.findall(r"memory of [a-z ]+: at most ([0-9.]+) MiB", notes)]
        sum_of_all = float(re.search(r"memory that callers can cause: at most ([0-9.]+) MiB", notes).group(1))
        kernel = float(re.search(r"memory of socket buffers: at most ([0-9.]+) MiB", notes).group(1))
        self.assertEqual(len(parts), 10, notes)
        self.assertAlmostEqual(sum(parts), sum_of_all, delta=0.1 * len(parts))
        return int((sum_of_all - kernel) * MIB)

    def test_idle_connections_hold_what_is_promised_after_long_answers(self):
        path = f"/recommend?user={self.users[0]}&k=300&explain=true&fields=title,categories,attributes"
        for number in range(4):  # each thread has its scratch memory before the first measurement
            s = self.connect(number)
            self.send(s, path)
            self.assertEqual(self.answer(s)[0], 200)
        before = status_bytes(self.server.process.pid, "VmRSS")
        for number in range(IDLE):
            s = self.connect(number)
            self.send(s, path)
            status, body = self.answer(s)
            self.assertEqual(status, 200)
            self.assertGreater(len(body), 40 * KIB)
        self.assertEqual(self.metric("stair_http_connections"), IDLE + 5)
        grown = status_bytes(self.server.process.pid, "VmRSS") - before
        self.assertLess(grown / IDLE, 88 * KIB)

    def test_bodies_count_as_they_arrive_and_one_caller_cannot_take_all(self):
        for _ in range(40):  # 40 MiB are announced, and nothing is sent
            self.send(self.connect(0), "/items", b"{", announced=MIB)
        self.assertEqual(self.server.client.post("/items", b'{"id":"a","title":"' + b"x" * 900 * 1000 + b'"}').status, 400)
        self.assertEqual(self.metric("stair_http_bodies_bytes"), 0)
        for _ in range(6):  # three quarters of 8 MiB
            self.send(self.connect(0), "/items", b" " * (MIB - 1), announced=MIB)
        self.assertTrue(wait_for(lambda: self.metric("stair_http_bodies_bytes") == 6 * MIB))
        greedy = self.connect(0)
        self.send(greedy, "/items", b" " * MIB)
        status, body = self.answer(greedy)
        self.assertEqual((status, b"bodies_bytes_max" in body), (503, True), body)
        other = self.connect(1)
        self.send(other, "/items", b'{"id":"b"}' + b" " * (MIB - 10))
        self.assertEqual(self.answer(other)[0], 201)
        small = self.connect(0)  # small bodies always pass
        self.send(small, "/items", b'{"id":"c"}')
        self.assertEqual(self.answer(small)[0], 201)

    def batch(self):
        return {"requests": [{"user": self.users[i % 50], "k": 60, "explain": True} for i in range(200)]}

    def unread_answers(self, count):
        for number in range(count):
            self.send(self.connect(number, read_bytes=4096), "/recommend/batch", self.batch())

    def test_answers_that_nobody_reads_have_a_limit(self):
        self.unread_answers(30)
        self.assertTrue(wait_for(lambda: re.search(
            r'_count\{route="/recommend/batch",method="POST",status="503"\} [1-9]',
            self.private.get("/metrics").body.decode())))
        self.assertLessEqual(self.metric("stair_http_answers_bytes"), 16 * MIB)
        self.assertGreater(self.metric("stair_http_answers_bytes"), 8 * MIB)
        self.assertEqual(self.server.client.get("/recommend", {"user": self.users[0]}).status, 200)
        for s in self.open:
            s.close()
        self.assertTrue(wait_for(lambda: self.metric("stair_http_answers_bytes") == 0))

    def test_exports_that_nobody_fetches_have_a_limit(self):
        self.server.client.close()
        for number in range(2):
            self.send(self.connect(number, read_bytes=4096), "/export/interactions")
        self.assertTrue(wait_for(lambda: self.metric("stair_http_requests_in_flight") == 3))
        client = self.server.client
        self.assert_problem(client.get("/export/items"), 503, "exports_max")
        self.assert_problem(client.get("/export/interactions"), 503, "exports_max")
        for s in self.open:
            s.close()
        self.assertTrue(wait_for(lambda: client.get("/export/items").status == 200))

    def test_a_body_of_countless_small_values_is_refused_before_it_is_parsed(self):
        empty = b'{"items":[' + b",".join([b"{}"] * 300000) + b"]}"
        self.assert_problem(self.server.client.post("/items", empty), 413, "16 times body_bytes_max")

    def test_everything_at_once_stays_below_the_sum(self):
        allowed = self.allowed()
        self.server.client.get("/popular")
        before = status_bytes(self.server.process.pid, "VmRSS")
        path = f"/recommend?user={self.users[0]}&k=300&explain=true&fields=title,categories,attributes"
        for number in range(CONNECTIONS // 2):
            s = self.connect(number)
            self.send(s, path)
            self.answer(s)
        for number in range(12):
            self.send(self.connect(number), "/items", b" " * (MIB - 1), announced=MIB)
        self.unread_answers(30)
        zeros = b'{"items":[' + b",".join([b"0"] * 250000) + b"]}"
        wide = harness.json.dumps({"items": [{"id": f"w{i}", "title": "x" * 900} for i in range(900)]}).encode()
        for round_number in range(40 if LONG else 4):
            waiting = []
            for number in range(8):
                s = self.connect(100 + number)
                self.send(s, "/items", zeros if number % 2 else wide)
                waiting.append(s)
            for s in waiting:
                self.assertIn(self.answer(s)[0], (200, 400, 409, 413, 503))
                s.close()
        peak = status_bytes(self.server.process.pid, "VmHWM")
        for s in self.open:
            s.close()
        self.assertTrue(wait_for(lambda: self.metric("stair_http_connections") <= 1))
        self.assertEqual(self.metric("stair_http_bodies_bytes") + self.metric("stair_http_answers_bytes"), 0)
        left = status_bytes(self.server.process.pid, "VmRSS")
        print(f"memory: {before / MIB:.1f} MiB before, {(peak - before) / MIB:.1f} MiB more of {allowed / MIB:.1f} allowed, "
              f"{(left - before) / MIB:.1f} MiB more when all have gone")
        self.assertLess(peak - before, allowed)
        self.assertGreater(peak - before, 12 * MIB)  # bodies and answers were at their limits
        # The service returns freed memory to the system from 32 MiB on. The bodies of all rounds take more than that.
        self.assertLess(left - before, 40 * MIB)


if __name__ == "__main__":
    harness.main()
