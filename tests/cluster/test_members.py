# SPDX-License-Identifier: Apache-2.0
"""The list of a cluster's nodes, as each node reports it, and which of them has the lease."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402


class Members(cluster_case.ClusterCase):
    def names(self, node):
        return [one["name"] for one in node.client.get("/cluster").json["nodes"]]

    def test_every_node_tells_of_all_that_live_and_one_has_the_lease(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        a, b = self.node(servers, first, name="a"), self.node(servers, self.copy(first, "second"), name="b")
        for node in (a, b):
            cluster_case.wait_for(lambda: self.names(node) == ["a", "b"])
        seq = a.client.put("/items/x", {"title": "x"}).json["seq"]
        self.seen(b, seq)
        told = cluster_case.wait_for(lambda: self.level(b, seq))
        self.assertEqual((told["cluster"], told["node"], told["position"], told["lag_ops"]), ("shop", "b", 1, 0))
        self.assertEqual((told["connected"], told["writable"], told["problem"]), (True, True, None))
        self.assertEqual((told["log"]["name"], told["log"]["last"]), ("STAIR_shop_LOG", 1))
        self.assertEqual(told["nodes"][0]["version"], a.client.get("/health").json["version"])
        holder = cluster_case.wait_for(lambda: b.client.get("/cluster").json["lease"])
        self.assertIn(holder, ("a", "b"))
        self.assertIn("stair_cluster_nodes 2", b.client.get("/metrics").body.decode())
        a.stop()
        cluster_case.wait_for(lambda: self.names(b) == ["b"])
        cluster_case.wait_for(lambda: b.client.get("/cluster").json["lease"] == "b")

    def level(self, node, seq):
        told = node.client.get("/cluster").json
        return told if all(one["seq"] == seq for one in told["nodes"]) else None

    def test_a_node_that_was_killed_leaves_the_list_and_loses_the_lease(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        a = self.node(servers, first, name="a")
        cluster_case.wait_for(lambda: a.client.get("/cluster").json["lease"] == "a")
        b = self.node(servers, self.copy(first, "second"), name="b")
        a.kill()
        cluster_case.wait_for(lambda: self.names(b) == ["b"])
        cluster_case.wait_for(lambda: b.client.get("/cluster").json["lease"] == "b")
        a = self.node(servers, first, name="a")  # at once: its predecessor had the same place
        cluster_case.wait_for(lambda: self.names(a) == ["a", "b"])

    def test_a_second_node_of_one_name_is_refused(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        second = self.copy(first, "second")
        a = self.node(servers, first, name="same")
        cluster_case.wait_for(lambda: self.names(a) == ["same"])
        said = self.refused(second, *self.options(servers, "--cluster-node", "same"))
        self.assertIn("another node of the cluster is called same", said)
        self.assertEqual(a.client.put("/items/x", {"title": "x"}).status, 201)

    def test_a_single_node_has_no_cluster(self):
        with harness.Server(self.path("store")) as node:
            self.assert_problem(node.client.get("/cluster"), 404, "single node")


cluster_case.main(__name__)
