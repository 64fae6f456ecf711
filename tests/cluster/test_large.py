# SPDX-License-Identifier: Apache-2.0
"""Writes that are larger than a message of NATS may be."""

import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import cluster_case  # noqa: E402
from wire import Wire  # noqa: E402


class Large(cluster_case.ClusterCase):
    def test_a_write_of_20_mb_passes_through_messages_of_64_kib(self):
        servers = self.start_nats(1, "max_payload: 64KB")
        first = self.first_store(servers)
        stores = [first, self.copy(first, "second")]
        a, b = [self.node(servers, store) for store in stores]
        items = self.large_write()
        small = a.client.put("/items/small", {"title": "small"})
        answer = a.client.put("/items", {"items": items}, headers={"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual(answer.json["accepted"], 1000)
        self.assertGreater(answer.json["seq"], small.json["seq"])
        after = b.client.put("/items/after", {"title": "after"})
        self.assertGreater(after.json["seq"], answer.json["seq"])
        for node in (a, b):
            self.seen(node, after.json["seq"])
            self.assertEqual(len(node.client.get("/items/999").json["description"]), 20003 + 1)
            self.assertEqual(node.client.get("/health").json["items"], 1002)
        self.assertLess(a.client.get("/cluster").json["log"]["bytes"], 16384)
        b.kill()
        again = [{"id": "x", "title": "y", "description": "z" * 60000}] * 1 + items[:3]
        seq = a.client.put("/items", {"items": again}).json["seq"]
        b = self.node(servers, stores[1])
        self.seen(b, seq)
        a.stop(), b.stop()
        self.same_digests(*stores)

    def test_a_large_write_with_a_flipped_byte_is_not_applied_until_it_is_whole(self):
        servers = self.start_nats(1, "max_payload: 64KB")
        first = self.first_store(servers)
        stores = [first, self.copy(first, "second")]
        a, b = [self.node(servers, store) for store in stores]
        b.process.send_signal(signal.SIGSTOP)  # until the blob is damaged
        seq = a.client.put("/items", {"items": self.large_write()[:20]}).json["seq"]
        wire = Wire(servers.all[0])
        self.addCleanup(wire.close)
        mend = self.damage(wire, "op")
        b.process.send_signal(signal.SIGCONT)
        cluster_case.wait_for(lambda: "damaged" in (b.client.get("/cluster").json["problem"] or ""))
        told = b.client.get("/health").json
        self.assertEqual((told["items"], told["seq"]), (0, 0))
        self.assertEqual(b.client.put("/items/b", {"title": "b"}).status, 503)
        self.assertEqual(a.client.put("/items/a", {"title": "a"}).json["seq"], seq + 1)
        mend()
        self.seen(b, seq + 1)
        self.writes(b)
        a.stop(), b.stop()
        self.same_digests(*stores)

    def test_a_large_write_whose_node_dies_in_the_middle_is_whole_or_not_there(self):
        servers = self.start_nats(1, "max_payload: 64KB")
        first = self.first_store(servers)
        stores = [first, self.copy(first, "second")]
        a, b = [self.node(servers, store) for store in stores]
        writer = self.begin_large_write(a)
        time.sleep(0.3)  # whenever the node is killed, the other node has the whole write or nothing
        a.kill()
        writer.join()
        self.seen(b, b.client.put("/items/after", {"title": "after"}).json["seq"])
        self.assertIn(b.client.get("/health").json["items"], (1, 1001))
        a = self.node(servers, first)
        self.seen(a, b.client.get("/health").json["seq"])
        a.stop(), b.stop()
        self.same_digests(*stores)


cluster_case.main(__name__)
