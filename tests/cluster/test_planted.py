# SPDX-License-Identifier: Apache-2.0
"""The judge of a cluster's history catches nodes with planted faults (plant.py)."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import cluster_case  # noqa: E402
import harness  # noqa: E402
import history as h  # noqa: E402
import nats  # noqa: E402
import nodes  # noqa: E402
import plant  # noqa: E402
import test_faults  # noqa: E402

SECONDS, SETTLE_SECONDS = 8, 15


class Planted(test_faults.Cluster):
    test_no_fault_loses_repeats_or_reorders_a_write = None

    def setUp(self):
        super().setUp()
        self.whole, self.times = harness.STAIR, (test_faults.SECONDS, test_faults.SETTLE_SECONDS)
        test_faults.SECONDS, test_faults.SETTLE_SECONDS = SECONDS, SETTLE_SECONDS

    def tearDown(self):
        harness.STAIR, (test_faults.SECONDS, test_faults.SETTLE_SECONDS) = self.whole, self.times
        super().tearDown()

    def binary(self, fault):
        """The service with this fault, built from the sources under test."""
        target = os.path.join(os.path.dirname(self.whole), "planted", fault, "stair")
        subprocess.run(["make", "-s", os.path.relpath(target, harness.ROOT)], cwd=harness.ROOT, check=True)
        return target

    def complaints(self, store):
        """Runs such nodes under a few faults of their own and of the server; returns what the judge finds wrong."""
        found = []
        with nats.Servers(1, self.path("nats")) as servers:
            with nodes.Nodes(self.dir, store, servers.urls) as cluster:
                kinds = test_faults.Faults.__init__

                def few(faults, *arguments):
                    kinds(faults, *arguments)
                    faults.kinds = [faults.kill_node, faults.stop_node, faults.pause_node]

                test_faults.Faults.__init__ = few
                try:
                    history, clients, _ = self.drive(cluster, servers, None, store)
                    found += [p for c in clients for p in c.problems] + h.judge(history)
                except AssertionError as why:
                    found.append(str(why))
                finally:
                    test_faults.Faults.__init__ = kinds
                for node in cluster.all:
                    if node.running:
                        node.stop()
                digests = set(cluster.digests())
                found += [f"digests differ: {digests}"] if len(digests) > 1 else []
        return found

    def found(self, fault):
        if nats.program() is None:
            harness.not_run("the cluster: there is no nats-server")
            self.fail("no nats-server; see tests/support/nats_server.sh")
        _, store = self.shop_store()
        if fault is not None:
            harness.STAIR = self.binary(fault)
        found = self.complaints(store)
        print(f"MEASURED: {fault}: {len(found)} complaints, the first: {str(found[0])[:300] if found else None}",
              flush=True)
        return found

    def caught(self, fault):
        self.assertTrue(self.found(fault), f"{fault} was not found")

    def test_without_a_fault_nothing_is_found(self):
        self.assertEqual(self.found(None)[:10], [])

    def test_a_message_that_is_lost_after_a_restart_is_found(self):
        self.caught("lose")

    def test_a_message_that_one_node_passes_over_is_found(self):
        self.caught("skip")

    def test_an_acknowledgement_before_the_write_is_found(self):
        self.caught("early")

    def test_a_message_that_is_applied_twice_is_found(self):
        self.caught("twice")

    def test_every_fault_has_its_place_in_the_sources(self):
        for fault in plant.FAULTS:
            self.assertTrue(plant.planted(plant.FAULTS[fault], fault))


cluster_case.main(__name__)
