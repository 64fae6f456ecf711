# SPDX-License-Identifier: Apache-2.0
"""Copies outside the log are removed in time: everything about an erased user, and parts of incomplete blobs.

The nodes are built with seconds in place of minutes (STAIR_SETTLE_SECONDS)."""

import datetime
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402
from wire import Wire  # noqa: E402

BRISK = harness.STAIR + "-brisk"
LOG, BLOBS, INDEX = "STAIR_shop_LOG", "STAIR_shop_BLOBS", "KV_STAIR_shop_INDEX"
USER = "user-17"


def tables(stream):
    """{name: (bytes of a user's row, content)} of a generation's blob."""
    assert stream[:8] == b"stairgen"
    (count,), at, found = struct.unpack_from("<H", stream, 25), 27, {}
    for _ in range(count):
        length = stream[at]
        name = stream[at + 1:at + 1 + length].decode()
        size, stride = struct.unpack_from("<QQ", stream, at + 1 + length)
        at += 17 + length
        found[name] = (stride, stream[at:at + size])
        at += size
    return found


class Erasure(cluster_case.ClusterCase):
    def setUp(self):
        super().setUp()
        self.whole, harness.STAIR = harness.STAIR, BRISK

    def tearDown(self):
        harness.STAIR = self.whole
        super().tearDown()

    def open_wire(self, servers):
        wire = Wire(servers.all[0])
        self.addCleanup(wire.close)
        return wire

    def join(self, servers, name):
        harness.run("cluster", "join", "--store", self.path(name), *self.options(servers))
        return self.path(name)

    def blob(self, wire, kind):
        """The parts of all blobs of this kind, joined by id."""
        found = {}
        for subject, part in wire.messages(BLOBS):
            name = subject.split(".blob.")[1]
            if name.startswith(kind):
                found[name] = found.get(name, b"") + part[4:]
        return found

    def clean(self, node):
        told = node.client.get("/cluster").json["erasure"]
        return told if told and all(told[what] for what in ("log", "snapshots", "generations")) else None

    def erase(self, node):
        """Erases the user; checks that the receipt's dates ascend and are near."""
        receipt = node.client.delete(f"/users/{USER}").json
        dates = {what: datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
                 for what, text in receipt["free_by"].items()}
        erased = dates["kept_answers"]
        self.assertEqual({what: date - erased for what, date in dates.items()},
                         {"kept_answers": 0, "generations": 12, "snapshots": 12, "log": 24, "blobs": 36})
        self.assertIn("stores of nodes that do not run", str(receipt["out_of_reach"]))
        return receipt["seq"]

    def test_an_erased_user_is_in_no_message_snapshot_or_table_once_the_receipt_is_due(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        second = self.join(servers, "second")
        a, b = [self.node(servers, store, "--cluster-log-age", "1s") for store in (first, second)]
        item = a.client.get("/items", {"limit": 1}).json["items"][0]["id"]
        answer = a.client.post("/interactions", {"interactions": [{"user": USER, "item": item, "type": "view"}]},
                               headers={"Idempotency-Key": "k"})
        self.assertEqual(answer.status, 200, answer.body)
        wire = self.open_wire(servers)
        before = cluster_case.wait_for(lambda: self.blob(wire, "generation."))
        name = re.compile(USER.encode() + rb"(?![0-9])")
        for stream in (LOG, BLOBS):
            self.assertTrue(any(name.search(content) for _, content in wire.messages(stream)), stream)
        seq = self.erase(a)
        for node in (a, b):
            told = cluster_case.wait_for(lambda: self.clean(node), 60)
            self.assertEqual(told["seq"], seq)
        cluster_case.wait_for(lambda: len(self.blob(wire, "snapshot.")) == 2)
        after = self.blob(wire, "generation.")
        self.assertEqual((len(before), len(after)), (1, 1))
        self.assertNotEqual(set(before), set(after))
        rows = self.zeroed(*before.values(), *after.values())
        for stream in (LOG, BLOBS, INDEX):
            for subject, content in wire.messages(stream):
                self.assertIsNone(name.search(content), subject)
                self.assertFalse([row for row in rows if row in content], subject)
        self.assertEqual(self.files_with(name), [])
        c = self.node(servers, self.join(servers, "third"))
        self.seen(c, seq)
        self.assertEqual(c.client.get(f"/users/{USER}").status, 404)
        for node in (a, b, c):
            node.stop()
        self.same_digests(first, second, self.path("third"))
        self.assert_checked(self.path("third"))

    def files_with(self, pattern):
        """The files of the NATS servers that contain these bytes, free space included."""
        found = []
        for folder, _, names in os.walk(self.path("nats")):
            for one in names:
                with open(os.path.join(folder, one), "rb") as f:
                    found += [f.name] if pattern.search(f.read()) else []
        return found

    def zeroed(self, before, after):
        """The vectors in a generation's tables of users that are zero now and were not before; one in each table."""
        found, now = [], tables(after)
        for name, (stride, content) in tables(before).items():
            changed = [i for i in range(0, len(content), stride or len(content) or 1)
                       if content[i:i + stride] != now[name][1][i:i + stride]] if stride else []
            for i in changed:
                self.assertEqual(now[name][1][i:i + stride], bytes(stride))
                found += [content[i:i + stride]] if stride >= 64 else []
            if stride:
                self.assertLessEqual(len(changed), 1, name)
            else:
                self.assertEqual(content, now[name][1], name)
        self.assertTrue(found)
        return found

    def test_tables_that_no_live_node_has_are_put_again_without_the_user(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        second = self.join(servers, "second")
        a = self.node(servers, first)
        harness.run("train", "--store", first, "--epochs", 1, "--batch", 512, "--dim", 32, "--activate", "no")
        wire = self.open_wire(servers)
        before = cluster_case.wait_for(lambda: len(self.blob(wire, "generation.")) == 2 and self.blob(wire, "generation."))
        a.stop()
        b = self.node(servers, second, "--cluster-log-age", "1s")
        self.erase(b)
        cluster_case.wait_for(lambda: not set(before) & set(self.blob(wire, "generation.")), 90)
        after = self.blob(wire, "generation.")
        for old, new in zip(sorted(before), sorted(after)):
            self.zeroed(before[old], after[new])
        self.assertIn("event=generation_fetched", "".join(b.log))

    def test_a_log_that_nobody_writes_to_is_trimmed_by_age_too(self):
        servers = self.start_nats()
        a = self.node(servers, self.first_store(servers), "--cluster-log-age", "3s")
        for i in range(5):
            a.client.put(f"/items/{i}", {"title": "x"})

        def overdue():
            text = a.client.get("/metrics").body.decode()
            return float(re.search(r"^stair_cluster_log_overdue_seconds (\S+)$", text, re.M)[1])

        cluster_case.wait_for(lambda: overdue() > 0)
        cluster_case.wait_for(lambda: a.client.get("/cluster").json["log"]["first"] == 6, 60)
        self.assertEqual(overdue(), 0)
        self.assertEqual(a.client.put("/items/x", {"title": "x"}).status, 201)

    def test_parts_of_a_write_whose_node_died_go_and_named_blobs_stay(self):
        servers = self.start_nats(1, "max_payload: 64KB")
        first = self.first_store(servers)
        second = self.join(servers, "second")
        a = self.node(servers, first)
        wire = self.open_wire(servers)
        writer = self.begin_large_write(a)
        stray = cluster_case.wait_for(lambda: self.of_writes(wire))
        a.kill()
        writer.join()
        b = self.node(servers, second)
        self.assertEqual(b.client.get("/health").json["items"], 0)
        cluster_case.wait_for(lambda: not stray & set(self.of_writes(wire)), 60)
        self.assertTrue(self.blob(wire, "snapshot."))
        # A complete blob stays as long as the message that names it.
        self.assertEqual(b.client.put("/items", {"items": self.large_write()[:20]}).status, 200)
        whole = self.of_writes(wire)
        cluster_case.wait_for(lambda: b.client.put("/items/x", {"title": "x"}).status in (200, 201))
        log = "".join(b.log)
        self.assertEqual(log.count("event=stray_parts_removed"), len(stray), log[-2000:])
        self.assertEqual(whole, self.of_writes(wire))

    def of_writes(self, wire):
        return {subject for subject in wire.subjects(BLOBS) if ".blob.op." in subject}


cluster_case.main(__name__)
