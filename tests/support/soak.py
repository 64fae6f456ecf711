# SPDX-License-Identifier: Apache-2.0
"""Reads and writes for a long time: memory, descriptors and the store's file stay flat.

SOAK_SECONDS sets the length (default: an hour). SOAK_RATE limits the requests a second of all clients
together; without it, each client sends the next request as soon as it has the answer. Writes use a
fixed set of items and users, so the service has no reason to grow. The second half of the run is
compared with the first.
"""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
RATE = float(os.environ.get("SOAK_RATE", "inf"))
CLIENTS, IDS, SAMPLES = 4, 200, 40


class Load(threading.Thread):
    def __init__(self, server, number, until, users):
        super().__init__(daemon=True)
        self.ask, self.rng, self.until, self.users = server.new_client(), random.Random(number), until, users
        self.requests, self.problems = 0, []

    def run(self):
        try:
            due = time.monotonic()
            while time.monotonic() < self.until:
                self.step()
                self.requests += 1
                due += CLIENTS / RATE
                time.sleep(max(0.0, due - time.monotonic()))
        except Exception as problem:  # a thread's exception would be lost
            self.problems.append(repr(problem))
        finally:
            self.ask.close()

    def step(self):
        kind, n = self.rng.random(), self.rng.randrange(IDS)
        if kind < 0.6:
            self.ask.get("/recommend", {"user": self.rng.choice(self.users), "k": 20})
        elif kind < 0.7:
            self.ask.put(f"/items/soak-{n}", {"title": f"title {n}"})
        elif kind < 0.75:
            self.ask.delete(f"/items/soak-{n}")
        elif kind < 0.95:
            body = {"interactions": [{"user": f"soak-{n}", "item": f"sku-{n % 100}"}]}
            self.ask.post("/interactions", body)
        else:
            self.ask.delete(f"/users/soak-{n}")


def measure(server, store):
    pid = server.process.pid
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        pages, shared = map(int, f.read().split()[1:3])
    return {"memory": (pages - shared) * 4096, "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "file": os.path.getsize(os.path.join(store, "data.mdb"))}


class Soak(harness.TestCase):
    def test_nothing_grows(self):
        files, store = self.shop_store()
        users = list(harness.shop_users(files, 50))
        with harness.Server(store, "--access-log", "none", "--oplog-bytes", "1MiB") as server:
            until = time.monotonic() + SECONDS
            clients = [Load(server, n, until, users) for n in range(CLIENTS)]
            for c in clients:
                c.start()
            taken = []
            while time.monotonic() < until:
                time.sleep(SECONDS / SAMPLES)
                taken.append(measure(server, store))
                print(f"{len(taken)}/{SAMPLES} {taken[-1]}", flush=True)
            for c in clients:
                c.join(60)
        self.assertEqual([p for c in clients for p in c.problems], [])
        half, quarter = len(taken) // 2, len(taken) // 4
        for name, slack in (("memory", 8 << 20), ("descriptors", 8), ("file", 4 << 20)):
            before = max(t[name] for t in taken[quarter:half])
            after = max(t[name] for t in taken[half:])
            self.assertLessEqual(after, 1.1 * before + slack, f"{name} grew from {before} to {after}")
        print(f"{sum(c.requests for c in clients)} requests in {SECONDS:.0f} s; {taken[-1]}")
        self.assert_checked(store)


if __name__ == "__main__":
    harness.main()
