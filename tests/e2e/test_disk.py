# SPDX-License-Identifier: Apache-2.0
"""A full disk, an exhausted quota and a failing fsync: the write is refused, reads continue, and later writes succeed."""

import errno
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "failing_disk.c")


class Disk(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.orders = self.path("orders")
        self.order()
        library = self.path("failing_disk.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": library, "STAIR_TEST_DISK": self.orders}

    def order(self, write=0, sync=0):
        with open(self.orders, "r+b" if os.path.exists(self.orders) else "wb") as f:
            f.write(bytes([write, sync]))

    def assert_reads_go_on(self, ask, user):
        self.assertEqual(ask.get("/recommend", {"user": user, "k": 5}).status, 200)
        self.assertEqual(ask.get("/popular").status, 200)
        self.assertEqual(ask.get("/health/ready").status, 200)

    def assert_degraded(self, ask):
        health = ask.get("/health").json
        self.assertEqual((health["status"], health["ready"], health["writable"]), ("degraded", True, False))
        self.assertIn("full", health["problem"])
        self.assertIn("\nstair_store_writable 0\n", ask.get("/metrics").body.decode())

    def test_a_full_disk_refuses_writes_and_nothing_else(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store, env=self.env) as server:
            ask = server.client
            before = ask.post("/items", {"id": "before"}).json["seq"]
            self.order(write=errno.ENOSPC)
            for n in range(3):
                self.assert_problem(ask.post("/items", {"id": f"refused-{n}"}), 507)
                self.assert_reads_go_on(ask, user)
            self.assert_degraded(ask)
            self.assertEqual(ask.get("/model").json["seq"], before)
            self.assertEqual(ask.get("/items/refused-0").status, 404)
            self.order()
            after = ask.post("/items", {"id": "after"})
            self.assertEqual(after.status, 201, after.body)
            self.assertEqual(after.json["seq"], before + 1)
            health = ask.get("/health").json
            self.assertEqual((health["status"], health["writable"], health["problem"]), ("ok", True, None))
            self.assertEqual(server.stop(), 0)
        self.assert_checked(store)

    def test_after_a_failed_sync_the_outcome_is_unknown_and_the_service_heals(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store, env=self.env) as server:
            ask = server.client
            before = ask.post("/items", {"id": "before"}).json["seq"]
            self.order(sync=errno.EIO)
            self.assert_problem(ask.post("/items", {"id": "unknown"}), 503, detail="may or may not")
            self.assert_reads_go_on(ask, user)
            self.order()
            after = ask.post("/items", {"id": "after"})
            self.assertEqual(after.status, 201, after.body)
            there = ask.get("/items/unknown").status == 200
            self.assertEqual(after.json["seq"], before + 1 + there)
            self.assertEqual(server.stop(), 0)
        self.assert_checked(store)
        with harness.Server(store) as again:
            self.assertEqual(again.client.get("/items/after").status, 200)
            self.assertEqual(again.client.get("/items/unknown").status == 200, there)

    def test_a_full_disk_stops_the_demo_and_is_named(self):
        for name in ("items.jsonl", "text.npy", "interactions.inter"):
            folder = self.path("demo-" + name)
            os.mkdir(folder)
            os.symlink("/dev/full", os.path.join(folder, name))
            done = harness.run("demo", "--out", folder, check=False, timeout=60)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(f"{name}: cannot write: No space left on device", done.stderr)

    def test_a_used_up_quota_refuses_what_does_not_fit(self):
        store = self.path("store")
        with harness.Server(store, "--quota", "4MiB") as server:
            ask = server.client
            statuses = set()
            for n in range(400):
                answer = ask.post("/items", {"id": f"i{n}", "features": {"wide": [0.5] * 4096}})
                statuses.add(answer.status)
                if answer.status == 507:
                    break
            self.assertEqual(statuses, {201, 507})
            self.assert_problem(answer, 507, detail="quota")
            self.assert_degraded(ask)
            self.assert_problem(ask.delete("/items/nowhere"), 404)
            self.assert_degraded(ask)
            self.assertEqual(ask.get("/items/i0").status, 200)
            self.assertEqual(ask.get(f"/items/i{n}").status, 404)
        self.assert_checked(store)
        with harness.Server(store, "--quota", "64MiB") as server:
            self.assertEqual(server.client.post("/items", {"id": f"i{n}", "features": {"wide": [0.5] * 4096}}).status, 201)

    def train(self, ask):
        """Starts a training and waits for it; returns how it ended."""
        self.assertEqual(ask.post("/model/train", {"epochs": 1, "dim": 32, "activate": "no"}).status, 202)
        while True:
            status = ask.get("/model/train").json
            if status["state"] != "running":
                return status

    def test_trainings_stop_at_the_quota_and_leave_the_service_its_room(self):
        _, store = self.shop_store()
        quota = 4 << 20
        with harness.Server(store, "--quota", quota) as server:
            for _ in range(40):
                status = self.train(server.client)
                if status["state"] == "failed":
                    break
            self.assertEqual(status["state"], "failed")
            self.assertRegex(status["detail"], r"a generation takes about .* of the quota of 4\.0 MiB only .* are free")
            self.assertEqual(server.client.post("/items", {"id": "still-taken"}).status, 201)
        self.assertLessEqual(os.path.getsize(os.path.join(store, "data.mdb")), quota)
        refused = harness.run("train", "--store", store, "--epochs", 1, "--dim", 32, check=False,
                              env={"STAIR_QUOTA": str(quota)})
        self.assertEqual(refused.returncode, 1)
        self.assertIn("raise the quota, or free space with stair generations --prune", refused.stderr)
        self.assertNotIn("preparing", refused.stderr)
        harness.run("train", "--store", store, "--epochs", 1, "--dim", 32, "--activate", "no")

    def test_an_import_beyond_the_quota_is_refused_and_leaves_the_store(self):
        files, store = self.shop_store()
        before = harness.run_json("generations", "--store", store)
        refused = harness.run("import", "--store", store, *harness.import_arguments(files), "--merge",
                              "--quota", "64KiB", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("quota", refused.stderr)
        self.assertEqual(harness.run_json("generations", "--store", store), before)


if __name__ == "__main__":
    harness.main()
