# SPDX-License-Identifier: Apache-2.0
"""The build without the cluster: it needs no NATS library, serves, and says that it cannot join a cluster."""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support")]
import harness  # noqa: E402

SINGLE = harness.STAIR + "-single"


class Single(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.whole, harness.STAIR = harness.STAIR, SINGLE

    def tearDown(self):
        harness.STAIR = self.whole
        super().tearDown()

    def test_it_serves_without_the_library_and_refuses_a_cluster(self):
        needed = [subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
                  for program in (self.whole, SINGLE)]
        self.assertEqual(["libnats" in one for one in needed], [True, False])
        with harness.Server(self.path("store")) as server:
            self.assertEqual(server.client.put("/items/x", {"title": "x"}).status, 201)
            self.assertNotIn("stair_cluster_", server.client.get("/metrics").body.decode())
            self.assert_problem(server.client.get("/cluster"), 404)
        done = harness.run("serve", "--store", self.path("store"), "--listen", "127.0.0.1:0", "--cluster",
                           "nats://127.0.0.1:1", check=False)
        self.assertIn("this build of stair supports a single node only", done.stderr)
        self.assertEqual(harness.run("cluster", "status", check=False).returncode, 2)

    def test_two_files_know_whether_the_cluster_is_built(self):
        know = []
        for part in ("api", "core", "server", "storage"):
            for path in glob.glob(os.path.join(harness.ROOT, part, "**", "*.[ch]"), recursive=True):
                with open(path, encoding="utf-8") as f:
                    if "STAIR_CLUSTER" in f.read():
                        know.append(os.path.relpath(path, harness.ROOT))
        self.assertEqual(sorted(know), ["server/commands/commands.c", "server/commands/replication.c"])


if __name__ == "__main__":
    harness.main()
