# SPDX-License-Identifier: Apache-2.0
"""A file of a running store is deleted: no process overwrites another's data, and each names the reason."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


def put(server, item):
    return server.client.put("/items/" + item, {"title": item})


class LostFiles(harness.TestCase):
    def refused(self, says, *command):
        done = harness.run(*command, check=False, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(says, done.stderr)

    def until_written(self, server, item):
        """A refused write makes the server reopen the store; a later write succeeds."""
        end = time.monotonic() + 60
        while (answer := put(server, item)).status == 503 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIn(answer.status, (200, 201), answer.body)

    def test_nobody_writes_beside_a_server_whose_lock_file_is_gone(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            self.assertEqual(put(server, "before").status, 201)
            os.unlink(os.path.join(store, "lock.mdb"))
            self.refused("lock.mdb was deleted", "train", "--store", store, "--epochs", "2")
            self.refused("lock.mdb was deleted", "check", "--store", store)
            self.refused("lock.mdb was deleted", "generations", "--store", store)
            self.refused("in use by process", "serve", "--store", store, "--listen", "127.0.0.1:0")
            self.assert_problem(put(server, "refused"), 503, "lock.mdb was deleted")
            self.assertEqual(server.client.get("/items/refused").status, 404)
            self.until_written(server, "after")
            harness.run("train", "--store", store, "--epochs", "2")
            self.assertEqual(server.client.get("/items/after").status, 200)
        self.assert_checked(store)

    def test_a_file_lost_long_after_the_start_is_noticed_by_the_next_write(self):
        """A commit compares the files only if the folder has changed since a comparison that was settled."""
        _, store = self.shop_store()
        with harness.Server(store) as server:
            while time.time() < os.stat(store).st_ctime + 5:  # FOLDER_SETTLE_SECONDS, and two
                self.assertIn(put(server, "before").status, (200, 201))
                time.sleep(0.2)
            os.unlink(os.path.join(store, "owner.lock"))
            self.assertEqual(put(server, "taken-again").status, 201)
            self.refused("in use by process", "serve", "--store", store, "--listen", "127.0.0.1:0")
            while time.time() < os.stat(store).st_ctime + 5:
                self.assertIn(put(server, "before").status, (200, 201))
                time.sleep(0.2)
            os.unlink(os.path.join(store, "lock.mdb"))
            self.assert_problem(put(server, "refused"), 503, "lock.mdb was deleted")
            self.until_written(server, "after")
        self.assert_checked(store)

    def test_a_second_server_is_refused_though_owner_lock_is_gone(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            os.unlink(os.path.join(store, "owner.lock"))
            self.refused("owner.lock was deleted", "serve", "--store", store, "--listen", "127.0.0.1:0")
            self.refused("owner.lock was deleted", "migrate", "--store", store)
            self.assertEqual(put(server, "first").status, 201)
            self.refused("in use by process", "serve", "--store", store, "--listen", "127.0.0.1:0")
        self.assert_checked(store)

    def test_nobody_opens_beside_a_training_whose_lock_file_is_gone(self):
        files, store = self.shop_store()
        command = [harness.STAIR, "train", "--store", store, "--epochs", "100000"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=harness.ENVIRONMENT) as training:
            self.addCleanup(training.kill)
            self.assertNotEqual(training.stderr.readline(), "")  # it has the store open
            os.unlink(os.path.join(store, "lock.mdb"))
            self.refused("lock.mdb was deleted", "serve", "--store", store, "--listen", "127.0.0.1:0")
            self.refused("lock.mdb was deleted", "import", "--store", store, *harness.import_arguments(files))
            training.kill()


if __name__ == "__main__":
    harness.main()
