# SPDX-License-Identifier: Apache-2.0
"""The cost of requests: long work does not delay short requests, is limited, and ends when its client disconnects."""

import os
import re
import select
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEADLINE = 30  # seconds that something may take on a busy machine
# A unit of work is the cost of a plain list of ten. A request may take this many times the processor time of its units.
# On an idle machine the requests below take up to 4 times. The test does not measure elapsed time, because that depends
# on other work on the machine.
SLACK = 10
ROUNDS = 5


def wait_for(what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def metric(server, name):
    text = server.new_client().get("/metrics").body.decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))


def processor_clock(server):
    """Returns the seconds of processor time that all threads of the service have spent."""
    return time.clock_gettime(~server.process.pid << 3 | 2)  # clock_getcpuclockid(3), which Python lacks


def connect(server):
    host, port = server.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def posted(path, body):
    text = harness.json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n").encode() + text


class Costs(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.files, self.store = self.shop_store()
        self.users = list(harness.shop_users(self.files, 50))

    def batch(self, count, **more):
        return {"requests": [{"user": self.users[i % len(self.users)], **more} for i in range(count)]}

    def heavy(self, count=1000):
        """Requests that take seconds even on this small shop."""
        return self.batch(count, k=250, diversity=0.5, explain=True, fields=["title", "categories", "attributes"])

    def test_a_probe_passes_while_every_thread_for_long_work_is_busy(self):
        # These bodies are short, so the connection's thread parses them itself. Their work takes as long as the others'.
        for count, short in ((500, True), (1000, False)):
            request = posted("/recommend/batch", self.heavy(count))
            self.assertEqual(len(request) < 64 * 1024, short)
            with harness.Server(self.store, "--work-threads", 1, "--threads", 1, "--work-max", 10**9) as server:
                with connect(server) as long:
                    long.sendall(request)
                    self.assertTrue(wait_for(lambda: metric(server, "stair_work_running") == 1))
                    passed = 0
                    while passed < 20:
                        self.assertEqual(server.client.get("/health/live").status, 200)
                        self.assertEqual(server.client.get("/recommend", {"user": self.users[0]}).status, 200)
                        if select.select([long], [], [], 0)[0]:
                            break
                        passed += 1
                    # A probe that waited for the batch would be answered after the batch's first byte. On a busy machine,
                    # the batch may be answered before the twentieth probe.
                    self.assertGreaterEqual(passed, 1)
                    self.assertTrue(long.recv(12).startswith(b"HTTP/1.1 200"))

    def test_a_request_over_work_max_is_refused_and_the_batches_of_every_day_are_not(self):
        with harness.Server(self.store) as server:
            self.assertEqual(server.client.post("/recommend/batch", self.batch(1000, k=20)).status, 200)
            usual = server.client.post("/recommend/batch", self.batch(1000, k=20, diversity=0.3, explain=True))
            self.assertEqual(usual.status, 200)
            self.assertEqual(len(usual.json["results"]), 1000)
            refused = server.client.post("/recommend/batch", self.batch(1000, k=1000, diversity=0.5))
            self.assert_problem(refused, 413, "work_max")

    def test_equal_filters_of_a_batch_are_reckoned_once(self):
        names = ["c%d" % i for i in range(4000)]
        with harness.Server(self.store, "--work-max", 2000) as server:
            equal = self.batch(1000, k=1, filter={"categories_none": names[:200]})
            self.assertEqual(server.client.post("/recommend/batch", equal).status, 200)
            for i, entry in enumerate(equal["requests"]):
                entry["filter"] = {"categories_none": names[i:i + 200]}
            self.assert_problem(server.client.post("/recommend/batch", equal), 413, "work_max")

    def test_over_the_rate_of_work_there_is_429_and_health_goes_on(self):
        with harness.Server(self.store, "--work-rate", 10) as server:
            client = server.client
            self.assertEqual(client.post("/recommend/batch", self.batch(200)).status, 200)
            refused = client.get("/recommend", {"user": self.users[0]})
            self.assert_problem(refused, 429, "work_rate")
            self.assertGreaterEqual(int(refused.headers["Retry-After"]), 2)
            self.assertEqual(client.get("/health/live").status, 200)

    def test_work_ends_when_its_client_has_gone(self):
        with harness.Server(self.store, "--work-threads", 1, "--work-max", 10**9) as server:
            for gone in (1, 2, 3):
                with connect(server) as s:
                    s.sendall(posted("/recommend/batch", self.heavy()))
                    self.assertTrue(wait_for(lambda: metric(server, "stair_work_running") == 1))
                self.assertTrue(wait_for(lambda: metric(server, "stair_work_abandoned_total") == gone))
            self.assertEqual(metric(server, "stair_work_running"), 0)
            self.assertEqual(metric(server, "stair_work_waiting"), 0)

    def test_too_much_waiting_work_is_refused_by_name(self):
        with harness.Server(self.store, "--work-threads", 1, "--work-queue-max", 2, "--work-max", 10**9) as server:
            with connect(server) as first, connect(server) as second:
                first.sendall(posted("/recommend/batch", self.heavy()))
                self.assertTrue(wait_for(lambda: metric(server, "stair_work_running") == 1))
                second.sendall(posted("/recommend/batch", self.heavy()))
                self.assertTrue(wait_for(lambda: metric(server, "stair_work_waiting") == 1))
                refused = server.client.post("/recommend/batch", self.heavy())
                self.assert_problem(refused, 503, "work_queue_max")
                self.assertEqual(refused.headers["Retry-After"], "1")

    def test_the_end_does_not_wait_for_long_work(self):
        server = harness.Server(self.store, "--work-threads", 1, "--work-max", 10**9, "--stop-timeout", "1s",
                                "--answers-bytes-max", "8GiB")
        sockets = [connect(server) for _ in range(40)]
        try:
            for s in sockets:
                s.sendall(posted("/recommend/batch", self.heavy()))
            self.assertTrue(wait_for(lambda: metric(server, "stair_work_waiting") == 39))
            self.assertEqual(server.stop(signal.SIGTERM, timeout=DEADLINE), 0)
            whole = [line for line in server.log if "route=/recommend/batch status=200" in line]
            self.assertLess(len(whole), 20)
        finally:
            for s in sockets:
                s.close()
            if server.process.poll() is None:
                server.kill()

    def test_no_route_takes_much_longer_than_it_reckons_with(self):
        """Sends the most expensive accepted request of every kind, and compares its units with its processor time."""
        popular = "/popular?k=300"
        # The service does nothing in the background here, so its processor time is that of the requests.
        quiet = ("--propagate-changes", 0, "--watch-every", 3600, "--access-log", "none")
        with harness.Server(self.store, "--work-max", 10**9, "--work-rate", 1e11, *quiet) as server:
            items = server.client.get(popular).items
            session = [{"item": item} for item in items] * 3
            prose = " ".join(f"w{n * 7919 % 10007}x" for n in range(9000))[:65000]  # as many words as fit
            worst = {
                "depth": ("POST", "/recommend", {"user": self.users[0], "k": 1000}),
                "diversity": ("POST", "/recommend", {"user": self.users[0], "k": 1000, "diversity": 0.5}),
                "explain": ("POST", "/recommend", {"items": session, "k": 1000, "explain": True}),
                "fields": ("POST", "/recommend", {"user": self.users[0], "k": 1000,
                                                  "fields": ["title", "categories", "attributes"]}),
                "exclude": ("POST", "/recommend", {"user": self.users[0], "exclude_items": (items * 4)[:1000]}),
                "filter": ("POST", "/recommend", {"user": self.users[0], "filter": {
                    "categories_any": ["c%d" % i for i in range(200)], "created_after": 1,
                    "attributes": {"price": {"gte": 0}}}}),
                "batch": ("POST", "/recommend/batch", self.batch(1000, k=20, diversity=0.5, explain=True)),
                "similar": ("GET", f"/similar?item={items[0]}&k=1000", None),
                "popular": ("GET", "/popular?k=1000", None),
                "latest": ("GET", "/latest?k=1000", None),
                "text": ("POST", "/recommend", {"text": prose}),
                "texts": ("POST", "/recommend/batch", {"requests": [{"text": prose[n:]} for n in range(100)]}),
                "write of texts": ("PUT", "/items", {"items": [{"id": f"t{i}", "description": prose} for i in range(50)]}),
                "patch of texts": ("PATCH", "/items", {"items": [{"id": f"t{i}", "description": prose[i:]}
                                                                 for i in range(50)]}),
                "users": ("GET", "/users?limit=1000", None),
                "sample of users": ("GET", "/users?sample=100", None),
                "item": ("GET", f"/items/{items[0]}", None),
                "item of a long text": ("GET", "/items/t0", None),
                "item of many numbers": ("GET", "/items/wide?fields=features", None),
                "page": ("GET", "/items?limit=1000", None),
                "page of vectors": ("GET", "/items?limit=1000&fields=features", None),
                "page that looks on": ("GET", "/items?limit=1000&updated_before=0", None),
                "write of items": ("PUT", "/items", {"items": [{"id": f"n{i}", "title": "x" * 100, "features":
                                                                {"text": [0.5] * 24}} for i in range(1000)]}),
                "write of interactions": ("POST", "/interactions", {"interactions": [
                    {"user": self.users[i % 50], "item": items[i % 300]} for i in range(10000)]}),
                "deletion": ("POST", "/items/delete", {"ids": [f"x{i}" for i in range(1000)]}),
                "interactions": ("GET", f"/users/{self.users[0]}/interactions?limit=1000", None),
                "user": ("GET", f"/users/{self.users[0]}", None),
                "export of items": ("GET", "/export/items", None),
                "export of interactions": ("GET", "/export/interactions", None),
            }
            plain = ("GET", "/recommend?user=" + self.users[0], None)
            server.client.put("/items/wide", {"features": {"wide": [0.123456] * 65536}})
            before = metric(server, "stair_work_units_total")
            self.spent(server, *plain, 200)
            self.plain_units = (metric(server, "stair_work_units_total") - before) / 200
            unit = float("inf")
            print(f"{'kind':24} {'units':>8} {'ms':>9} {'plain lists':>12} {'a unit':>8}")
            wrong = []
            for kind, (method, target, body) in worst.items():
                took, lately, units = self.cost(server, plain, (method, target, body))
                unit = min(unit, lately)  # lists become slower once thousands of changes wait for the background
                print(f"{kind:24} {units:8.1f} {took * 1e3:9.2f} {took / unit:12.1f} {took / unit / units:8.2f}")
                if took / unit >= SLACK * units:
                    wrong.append(f"{kind} takes {took / unit:.1f} plain lists and counts as {units:.1f}")
            self.assertEqual(wrong, [])

    def cost(self, server, plain, request):
        """Processor seconds of a request and of a plain list, and the request's units. Both run in turns; the least counts."""
        took, unit = float("inf"), float("inf")
        before = metric(server, "stair_work_units_total")
        for _ in range(ROUNDS):
            unit = min(unit, self.spent(server, *plain, 50))
            took = min(took, self.spent(server, *request, 1))
        lists = ROUNDS * 50 * self.plain_units
        units = (metric(server, "stair_work_units_total") - before - lists) / ROUNDS
        return took, unit, units

    def spent(self, server, method, target, body, count):
        """The seconds of processor time that the service spends on a request, as the mean of `count`."""
        began = processor_clock(server)
        for _ in range(count):
            answer = server.client.ask(method, target, body, contract_check=False)
            self.assertIn(answer.status, (200, 201, 404), target)
        return (processor_clock(server) - began) / count


if __name__ == "__main__":
    harness.main()
