# SPDX-License-Identifier: Apache-2.0
"""Snapshots in NATS: a new node starts from the newest one, messages that two snapshots contain are removed from
the log, and tables of generations reach every node."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402
from cluster_case import BLOBS  # noqa: E402
from wire import Wire  # noqa: E402


class Join(cluster_case.ClusterCase):
    def join(self, servers, name, check=True):
        return harness.run("cluster", "join", "--store", self.path(name), *self.options(servers), check=check)

    def test_an_empty_folder_becomes_a_node_from_the_first_snapshot_and_the_log(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        a = self.node(servers, first)
        seq = [a.client.put(f"/items/n{i}", {"title": f"item {i}"}).json["seq"] for i in range(10)][-1]
        self.assertIn("at position 0 of its log", self.join(servers, "second").stdout)
        b = self.node(servers, self.path("second"))
        c = self.node(servers, self.path("third"), "--cluster-join", "yes")
        for node in (b, c):
            self.seen(node, seq)
            self.assertEqual(node.client.get("/model").json["serving"], 1)
        self.seen(a, b.client.put("/items/from-b", {"title": "b"}).json["seq"])
        self.seen(c, a.client.get("/health").json["seq"])
        for node in (a, b, c):
            node.stop()
        self.same_digests(first, self.path("second"), self.path("third"))
        again = self.join(servers, "second", check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("holds a store already", again.stderr)
        self.assertEqual(self.node(servers, self.path("second"), "--cluster-join", "yes").stop(), 0)

    def test_a_join_waits_for_nats_servers_that_are_not_ready_yet(self):
        servers = self.start_nats()
        self.first_store(servers)
        servers.kill(0)
        joining = subprocess.Popen([harness.STAIR, "cluster", "join", "--store", self.path("second"), *self.options(servers)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = joining.stderr.readline()
        self.assertIn("event=cluster_join_waits", said)
        self.assertIn("no NATS server can be reached", said)
        servers.start(0)
        out, more = joining.communicate(timeout=60)
        self.assertEqual((joining.returncode, more), (0, ""))
        self.assertIn("at position 0 of its log", out)

    def test_the_log_is_trimmed_behind_two_snapshots_and_a_node_joins_all_the_same(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        a = self.node(servers, first, "--cluster-snapshot-every", "1s", "--cluster-log-age", "1s")

        def trimmed():
            a.client.put("/items/x", {"title": "x"})
            return a.client.get("/cluster").json["log"]["first"] > 3

        cluster_case.wait_for(trimmed, 60)
        seq = a.client.put("/items/last", {"title": "last"}).json["seq"]
        self.join(servers, "second")
        b = self.node(servers, self.path("second"))
        self.seen(b, seq)
        a.stop(), b.stop()
        self.same_digests(first, self.path("second"))

    def test_a_damaged_snapshot_is_not_taken(self):
        servers = self.start_nats()
        self.first_store(servers)
        wire = Wire(servers.all[0])
        self.addCleanup(wire.close)
        said = wire.ask("$JS.API.STREAM.MSG.GET.KV_STAIR_shop_INDEX", {"seq": 1})
        subject = said["message"]["subject"]
        import base64
        entry = json.loads(base64.b64decode(said["message"]["data"]))
        part = wire.ask("$JS.API.STREAM.MSG.GET.STAIR_shop_BLOBS", {"seq": 1})["message"]
        bytes_ = bytearray(base64.b64decode(part["data"]))
        bytes_[-1] ^= 1
        entry["id"] = "snapshot.flipped"
        wire.ask("stair.shop.blob.snapshot.flipped", bytes(bytes_))
        wire.ask(subject, entry)
        done = self.join(servers, "second", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("damaged", done.stderr)
        self.assertFalse(os.path.exists(self.path("second", "data.mdb")))
        said = self.refused(self.path("third"), *self.options(servers, "--cluster-join", "yes"))
        self.assertIn("damaged", said)

    def test_a_part_of_a_blob_that_comes_late_is_waited_for(self):
        """A server's replica of the blobs can be behind, so that it does not have the last parts yet."""
        servers = self.start_nats(1, "max_payload: 64KB")
        self.first_store(servers, trained=True)
        wire = Wire(servers.all[0])
        self.addCleanup(wire.close)
        subject, = self.blobs(wire, "snapshot")
        *early, last = [content for of, content in wire.messages(BLOBS) if of == subject]
        self.assertGreater(len(early), 0)
        wire.purge(BLOBS, subject)
        for part in early:
            wire.ask(subject, part)
        done = self.join(servers, "never", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"has {len(early)} of its {len(early) + 1} parts", done.stderr)
        with ThreadPoolExecutor() as aside:
            joined = aside.submit(self.join, servers, "second")
            time.sleep(1)  # whenever the part comes, the join takes it
            wire.ask(subject, last)
            self.assertEqual(joined.result().returncode, 0)
        self.same_digests(self.path("first"), self.path("second"))

    def test_a_generation_that_one_node_trained_is_served_by_all(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        self.join(servers, "second")
        a, b = self.node(servers, first), self.node(servers, self.path("second"))
        harness.run("train", "--store", first, "--epochs", 2, "--batch", 512, "--dim", 32, "--activate", "yes")
        for node in (a, b):
            cluster_case.wait_for(lambda: node.client.get("/model").json["serving"] == 2, 90)
        lists = [node.client.get("/popular", {"k": 5}).json["model"] for node in (a, b)]
        self.assertEqual(lists, [2, 2])
        self.assertEqual([one["serving"] for one in cluster_case.wait_for(lambda: self.all_serving(a, 2))], [2, 2])
        pruned = b.client.post("/model/prune", {"keep": 0}).json
        self.assertEqual(pruned["removed"], 1)
        for node in (a, b):
            self.seen(node, pruned["seq"])
            kept = node.client.get("/model/generations").json["generations"]
            self.assertEqual([one["generation"] for one in kept], [2])
        a.stop(), b.stop()
        self.same_digests(first, self.path("second"))
        self.assert_checked(self.path("second"))

    def test_a_generation_with_a_flipped_byte_is_not_served(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        self.join(servers, "second")
        a = self.node(servers, first)
        wire = Wire(servers.all[0])
        self.addCleanup(wire.close)
        cluster_case.wait_for(lambda: self.blobs(wire, "generation"))
        before = self.blobs(wire, "generation")
        harness.run("train", "--store", first, "--epochs", 2, "--batch", 512, "--dim", 32, "--activate", "yes")
        cluster_case.wait_for(lambda: a.client.get("/model").json["serving"] == 2, 90)
        cluster_case.wait_for(lambda: self.blobs(wire, "generation") - before)
        mend = self.damage(wire, "generation", before)
        b = self.node(servers, self.path("second"))
        cluster_case.wait_for(lambda: "is damaged" in "".join(b.log))
        told = b.client.get("/model").json
        self.assertEqual((told["active"], told["serving"]), (2, 1))
        self.assertEqual(b.client.get("/popular", {"k": 5}).json["model"], 1)
        mend()
        cluster_case.wait_for(lambda: b.client.get("/model").json["serving"] == 2, 90)
        a.stop(), b.stop()
        self.same_digests(first, self.path("second"))

    def all_serving(self, node, generation):
        nodes = node.client.get("/cluster").json["nodes"]
        return nodes if all(one["serving"] == generation for one in nodes) else None


cluster_case.main(__name__)
