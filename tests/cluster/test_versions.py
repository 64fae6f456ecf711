# SPDX-License-Identifier: Apache-2.0
"""Nodes of two versions of the encoding of writes: no node gets a write that it cannot read."""

import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402

NEXT = harness.STAIR + "-next"


class Versions(cluster_case.ClusterCase):
    def next_node(self, servers, store, **more):
        before, harness.STAIR = harness.STAIR, NEXT
        try:
            return self.node(servers, store, **more)
        finally:
            harness.STAIR = before

    def test_no_write_is_published_that_a_live_node_cannot_read(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        second = self.copy(first, "second")
        a = self.node(servers, first, name="a")
        b = self.next_node(servers, second, name="b", writable=False)
        cluster_case.wait_for(lambda: len(b.client.get("/cluster").json["nodes"]) == 2)
        answer = b.client.put("/items/x", {"title": "x"})
        self.assert_problem(answer, 503, "reads writes only up to version 2")
        self.assertEqual(b.client.get("/cluster").json["log"]["last"], 0)
        a.process.send_signal(signal.SIGSTOP)  # the others regard it as dead
        cluster_case.wait_for(lambda: b.client.put("/items/x", {"title": "x"}).status == 201)
        # The node of the older version comes back, finds a write of the newer one and stops before it.
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
