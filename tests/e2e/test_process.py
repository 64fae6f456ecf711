# SPDX-License-Identifier: Apache-2.0
"""A training ends with the service that started it, and no other user may read the service's files."""

import os
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


def children(pid):
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split()]


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Process(harness.TestCase):
    def until(self, true, seconds=60):
        end = time.monotonic() + seconds
        while not true():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_a_training_ends_with_a_service_that_is_killed(self):
        _, store = self.shop_store()
        server = harness.Server(store)
        started = server.client.post("/model/train", {"epochs": 100000, "patience": 0})
        self.assertEqual(started.status, 202, started.body)
        self.until(lambda: server.client.get("/model/train").json["epoch"])
        (child,) = children(server.process.pid)
        self.addCleanup(subprocess.run, ["kill", "-9", str(child)], check=False, stderr=subprocess.DEVNULL)
        server.kill()
        self.until(lambda: not running(child))
        self.assert_checked(store)

    def test_a_training_is_cancelled_and_another_starts(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            ask = server.client
            for _ in range(3):
                self.assertEqual(ask.post("/model/train", {"epochs": 100000, "patience": 0}).status, 202)
                self.assert_problem(ask.post("/model/train", {"epochs": 1}), 409)
                self.assertEqual(ask.delete("/model/train").status, 200)
                self.until(lambda: ask.get("/model/train").json["state"] == "cancelled")

    def test_folders_that_cannot_be_used_are_refused_at_the_start(self):
        store = self.path("store")
        for option, value in (("snapshot-dir", self.path("nowhere", "snapshots")), ("spool-dir", self.path("nowhere"))):
            done = harness.run("serve", "--store", store, "--listen", "127.0.0.1:0", "--" + option, value,
                               check=False, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(option.replace("-", "_"), done.stderr)

    def test_what_is_made_is_the_owners_alone(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        files, _ = harness.shop()
        store = self.path("store")
        harness.run("import", "--store", store, *harness.import_arguments(files))
        harness.run("train", "--store", store, "--epochs", "2", "--activate", "yes")
        with harness.Server(store) as server:
            self.assertEqual(server.client.post("/snapshot", {"name": "first"}).status, 202)
            self.until(lambda: server.client.get("/snapshot/first").json["state"] == "done")
        harness.run("snapshot", "--store", store, "--to", self.path("second"))
        harness.run("check", "--store", self.path("second"))
        os.mkdir(self.path("exported"))
        os.mkdir(self.path("judged"), 0o700)
        harness.run("export", "--store", store, "--to", self.path("exported", "now"))
        harness.run("eval", "--store", store, "--topk", self.path("judged", "lists"))
        harness.run("eval", "--store", store, "--per-user", self.path("judged", "users"))
        for root in (store, self.path("second"), self.path("exported", "now"), self.path("judged")):
            for folder, _, names in os.walk(root):
                self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700, folder)
                for name in names:
                    path = os.path.join(folder, name)
                    self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)


if __name__ == "__main__":
    harness.main()
