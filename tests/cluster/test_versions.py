# SPDX-License-Identifier: Apache-2.0
"""Nodes of two versions of writes: logs of the older version stay readable, and no node gets a write that it
cannot read.

The next version (plant.py) has another encoding, and its interactions weigh twice as much. So nodes have
equal digests only if each write has the effect of its own version everywhere.
"""

import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402

NEXT = harness.STAIR + "-next"


class Versions(cluster_case.ClusterCase):
    def by_next(self, call, *arguments, **more):
        """Calls with the binary of the next version."""
        before, harness.STAIR = harness.STAIR, NEXT
        try:
            return call(*arguments, **more)
        finally:
            harness.STAIR = before

    def next_node(self, servers, store, **more):
        return self.by_next(self.node, servers, store, **more)

    @staticmethod
    def buy(node, user, item):
        answer = node.client.post("/interactions", {"user": user, "item": item})
        assert answer.status in (200, 201), answer.body
        return answer.json["seq"]

    @staticmethod
    def weights(store):
        """The weight of each user's only interaction."""
        lines = map(harness.json.loads, harness.export(store, "interactions").splitlines())
        return {line["user"]: line["weight"] for line in lines}

    def nodes_seen(self, node, count):
        cluster_case.wait_for(lambda: len(node.client.get("/cluster").json["nodes"]) == count)

    def test_the_next_version_reads_this_versions_log(self):
        store = self.path("store")
        with harness.Server(store) as server:
            server.client.put("/items/x", {"title": "x"})
            for user in ("ann", "bob"):
                self.buy(server, user, "x")
        digest = self.digest(store)
        self.by_next(self.assert_checked, store)
        self.assertEqual(self.by_next(self.digest, store), digest)
        server = self.by_next(harness.Server, store)
        with server:
            # An erasure reads the log's entries that name the user, and rewrites them without the user.
            self.assertEqual(server.client.delete("/users/ann").status, 200)
            self.buy(server, "cyd", "x")
        self.by_next(self.assert_checked, store)
        done = self.by_next(harness.run, "check", "--store", store, "--user", "ann")
        self.assertEqual(done.returncode, 0, done.stdout)
        weights = self.weights(store)
        self.assertEqual(set(weights), {"bob", "cyd"})
        self.assertEqual(weights["cyd"], 2 * weights["bob"])
        # The older version cannot read the newest entry and says so.
        done = harness.run("check", "--store", store, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("a write of version 3, but this version of stair applies up to 2", done.stdout + done.stderr)

    def test_a_cluster_is_upgraded_node_by_node_while_it_takes_writes(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        second = self.copy(first, "second")
        a = self.node(servers, first, name="a")
        b = self.node(servers, second, name="b")
        a.client.put("/items/x", {"title": "x"})
        self.seen(b, self.buy(a, "u1", "x"))
        self.assertEqual(b.stop(), 0)
        # The upgraded node writes in the older version, so that the write has the same effect on both nodes.
        b = self.next_node(servers, second, name="b")
        self.nodes_seen(b, 2)
        self.seen(a, self.buy(b, "u2", "x"))
        self.seen(b, self.buy(a, "u3", "x"))
        self.assertEqual(a.client.get("/cluster").json["problem"], None)
        self.assertEqual(a.stop(), 0)
        self.nodes_seen(b, 1)
        seq = self.buy(b, "u4", "x")
        a = self.next_node(servers, first, name="a")
        self.seen(a, seq)
        self.nodes_seen(a, 2)
        self.seen(b, self.buy(a, "u5", "x"))
        for node in (a, b):
            self.assertEqual(node.stop(), 0)
        self.by_next(self.same_digests, first, second)
        weights = self.weights(second)
        self.assertEqual(weights, {f"u{i}": weights["u1"] * (1 if i < 4 else 2) for i in range(1, 6)})

    def test_a_node_that_comes_back_with_an_older_version_stops_before_what_it_cannot_read(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        second = self.copy(first, "second")
        a = self.node(servers, first, name="a")
        b = self.next_node(servers, second, name="b")
        self.nodes_seen(b, 2)
        a.process.send_signal(signal.SIGSTOP)  # the others regard it as dead
        self.nodes_seen(b, 1)
        self.assertEqual(b.client.put("/items/x", {"title": "x"}).status, 201)
        # The older node starts again, finds a write of the newer version in the log, and stops before it.
        a.process.send_signal(signal.SIGCONT)
        told = cluster_case.wait_for(lambda: self.stopped(a))
        self.assertEqual((told["position"], told["log"]["last"]), (0, 1))
        self.assertEqual(a.client.get("/health").json["items"], 0)
        self.assertIn("stair_cluster_apply_stopped 1", a.client.get("/metrics").body.decode())
        cluster_case.wait_for(lambda: a.client.get("/health/ready").status == 503)
        self.assertEqual(a.client.get("/items").status, 200)
        self.assert_problem(a.client.put("/items/y", {"title": "y"}), 503)

    def stopped(self, node):
        told = node.client.get("/cluster").json
        return told if "version 3" in (told["problem"] or "") and told["log"]["last"] == 1 else None


cluster_case.main(__name__)
