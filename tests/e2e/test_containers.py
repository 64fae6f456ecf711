# SPDX-License-Identifier: Apache-2.0
"""Commands beside a running service: in other containers, stopped, killed, or blocked on their output.

A container is a PID namespace in which the service, or a command, is process 1.
"""

import os
import signal
import subprocess
import sys
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")
HAVE_CONTAINERS = subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0

# Opens a read transaction as any program with LMDB could, and keeps it until it is killed.
HOLDER = """
import ctypes, sys
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
lmdb.mdb_env_create(ctypes.byref(env))
lmdb.mdb_env_set_mapsize(env, ctypes.c_size_t(1 << 23))
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0x220000, 0o644) == 0
assert lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn)) == 0
print("reads", flush=True)
sys.stdin.read()
"""


class Containers(harness.TestCase):
    def setUp(self):
        super().setUp()
        if not HAVE_CONTAINERS:
            harness.not_run("two containers on one store: no permission for a PID namespace")
            self.skipTest("no permission for a PID namespace")

    def in_container(self, *arguments):
        return subprocess.run([*CONTAINER, harness.STAIR, *map(str, arguments)], capture_output=True, text=True,
                              timeout=120, check=False)

    def test_commands_of_another_container_work_beside_a_service(self):
        _, store = self.shop_store()
        with harness.Server(store, wrap=CONTAINER) as server:
            client = server.new_client()
            for command in (["check", "--store", store], ["export", "items", "--store", store],
                            ["generations", "--store", store],
                            ["snapshot", "--store", store, "--to", self.path("snapshot")],
                            ["train", "--store", store, "--epochs", 1, "--dim", 32, "--activate", "no"]):
                done = self.in_container(*command)
                self.assertEqual(done.returncode, 0, (command, done.stderr))
                self.assertEqual(client.post("/interactions", {"interactions": [
                    {"user": "u", "item": client.get("/popular").items[0]}]}).status, 200)
            server.kill()
        self.assert_checked(store)

    def test_the_training_jobs_of_the_deployment_files_run_beside_a_service(self):
        with open(os.path.join(harness.ROOT, "deploy", "kubernetes-train.yaml"), encoding="utf-8") as f:
            job = yaml.safe_load(f)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
        with open(os.path.join(harness.ROOT, "deploy", "compose.yaml"), encoding="utf-8") as f:
            compose = yaml.safe_load(f)["services"]["train"]["command"]
        for name, arguments in (("job", job), ("compose", [*compose, "--store", "/data"])):
            _, store = self.shop_store(name)
            with harness.Server(store, "--watch-every", "0.1s", wrap=CONTAINER) as server:
                before = server.client.get("/model").json["model"]
                done = self.in_container(*[store if a == "/data" else a for a in arguments], "--dim", 32, "--epochs", 3)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreater(len(server.client.get("/model/generations").json["generations"]), 1)
                self.assertGreaterEqual(server.client.get("/model").json["model"], before)
                server.kill()

    def test_a_service_starts_beside_a_training_of_another_container(self):
        _, store = self.shop_store()
        training = subprocess.Popen(
            [*CONTAINER, harness.STAIR, "train", "--store", str(store), "--epochs", "1000000", "--eval-every", "50",
             "--patience", "0", "--dim", "32", "--threads", "1", "--activate", "no"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            told = ""
            while "epoch" not in told:
                line = training.stderr.readline()
                self.assertNotEqual(line, "", told)
                told += line
            with harness.Server(store, wrap=CONTAINER) as server:
                client = server.new_client()
                self.assertEqual(client.put("/items/later", {"title": "Later"}).status, 201)
                self.assertIsNone(training.poll())
                server.kill()
        finally:
            training.kill()
            training.wait()
            training.stderr.close()


class Readers(harness.TestCase):
    def patch_until_refused(self, client, rounds):
        """Updates many items again and again; returns the first answer that is not 200, or None."""
        for n in range(rounds):
            answer = client.patch("/items", {"items": [{"id": "item-%d" % i, "attributes": {"p": n}}
                                                       for i in range(200)]})
            if answer.status != 200:
                return answer
        return None

    def small_store(self):
        store = self.path("store")
        with open(self.path("items.jsonl"), "w", encoding="utf-8") as f:
            f.writelines('{"id":"item-%d"}\n' % i for i in range(200))
        with open(self.path("i.csv"), "w", encoding="utf-8") as f:
            f.write("user,item\n")
            f.writelines("u%d,item-%d\n" % (i, (i + j) % 200) for i in range(2000) for j in range(2))
        harness.run("import", "--store", store, "--items", self.path("items.jsonl"), "--interactions",
                    self.path("i.csv"))
        return store

    SERVE = ("--quota", "4MiB", "--oplog-bytes", "64KiB")

    def test_an_export_that_waits_for_its_reader_holds_no_pages(self):
        store = self.small_store()
        with harness.Server(store, *self.SERVE) as server:
            client = server.new_client()
            export = subprocess.Popen([harness.STAIR, "export", "--store", store, "interactions"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            first = export.stdout.read(1)  # it writes, so the transaction is over
            self.assertIsNone(self.patch_until_refused(client, 120))
            rest = export.stdout.read()
            export.wait()
            export.stdout.close()
            self.assertEqual((export.returncode, (first + rest).count(b"\n")), (0, 4000))

    def test_a_stopped_reader_is_named_and_one_that_died_is_cleared_before_a_write_is_refused(self):
        store = self.small_store()
        with harness.Server(store, *self.SERVE) as server:
            client = server.new_client()
            self.assertIsNone(client.get("/health").json["held_by"])
            holder = subprocess.Popen([sys.executable, "-c", HOLDER, store], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
            self.assertEqual(holder.stdout.readline(), "reads\n")
            holder.send_signal(signal.SIGSTOP)
            self.assertEqual(self.patch_until_refused(client, 200).status, 507)
            health = client.get("/health").json
            self.assertGreater(health["held_bytes"], 1 << 20)
            self.assertIn("process %d," % holder.pid, health["held_by"])
            self.assertIn(b"stair_store_held_bytes", client.get("/metrics").body)
            holder.kill()
            holder.wait()
            holder.stdin.close()
            holder.stdout.close()
            self.assertIsNone(self.patch_until_refused(client, 3))
            self.assertEqual(client.get("/health").json["status"], "ok")


if __name__ == "__main__":
    harness.main()
