# SPDX-License-Identifier: Apache-2.0
"""Of several nodes with an encoder, only the node with the lease has the items encoded."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "e2e")]
import harness  # noqa: E402
import cluster_case  # noqa: E402
from test_encoder import Encoder  # noqa: E402


class Encoding(cluster_case.ClusterCase):
    def encoded(self, node):
        """How many items have a vector from the encoder on this node."""
        lines = node.client.get("/export/items").body.decode().splitlines()
        return sum('"text"' in line and '"features"' in line for line in lines)

    def test_an_item_is_given_to_the_encoder_once_and_every_node_gets_its_vector(self):
        servers = self.start_nats()
        with Encoder() as encoder:
            # The write itself does not wait for the encoder.
            same = ("--encoder-url", encoder.url, "--encoder-model", "m")
            more = (*same, "--encoder-wait", "0s")
            first = self.first_store(servers, *same)
            second = self.copy(first, "second")
            a = self.node(servers, first, *more, name="a")
            cluster_case.wait_for(lambda: a.client.get("/cluster").json["lease"] == "a")
            b = self.node(servers, second, *more, name="b")
            for i, node in enumerate((a, b, b)):
                self.assertEqual(node.client.put(f"/items/i{i}", {"title": f"thing number {i}"}).status, 201)
            for node in (a, b):
                cluster_case.wait_for(lambda: self.encoded(node) == 3)
                self.assertEqual(node.client.get("/health").json["encoder"]["pending"], 0)
            self.assertEqual(encoder.stats()["texts"], 3)
            # The next node with the lease finds the items that came while no node had it.
            a.kill()
            self.writes(b)
            self.assertEqual(b.client.put("/items/late", {"title": "thing that came late"}).status, 201)
            cluster_case.wait_for(lambda: b.client.get("/cluster").json["lease"] == "b")
            cluster_case.wait_for(lambda: self.encoded(b) == 4)
            self.assertEqual(encoder.stats()["texts"], 4)
            a = self.node(servers, first, *more, name="a")
            cluster_case.wait_for(lambda: self.encoded(a) == 4)
            self.assertEqual(encoder.stats()["texts"], 4)
            a.stop(), b.stop()
            self.same_digests(first, second)


cluster_case.main(__name__)
