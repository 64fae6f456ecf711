# SPDX-License-Identifier: Apache-2.0
"""stair check: an undamaged store passes, each damage is named, and the configuration is explained."""

import json
import os
import shutil
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Check(harness.TestCase):
    def test_a_whole_store_has_no_problems_and_its_numbers_are_those_of_the_shop(self):
        _, store = self.shop_store()
        report = harness.run_json("check", "--store", store)
        self.assertEqual((report["problems"], report["list"]), (0, []))
        self.assertEqual((report["users"], report["items"], report["interactions"]), (400, 300, 6000))
        self.assertEqual((report["generations"], report["generation"]), (1, 1))

    def test_a_flipped_byte_in_a_table_is_found_by_its_checksum(self):
        _, store = self.shop_store()
        path = os.path.join(store, "data.mdb")
        with open(path, "rb") as f:
            data = bytearray(f.read())
        # Finds an overflow page of LMDB (flag 4 at byte 10) whose value begins like a piece of a table. It takes
        # the last one, because earlier ones may be free pages.
        at = max(page for page in range(0, len(data), 4096)
                 if data[page + 10:page + 12] == b"\4\0" and data[page + 16:page + 20] == b"\2\0\0\0")
        data[at + 2048] ^= 0x40
        with open(path, "wb") as f:
            f.write(data)
        done = harness.run("check", "--store", store, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("checksum", done.stdout)

    def test_a_store_that_was_cut_short_is_said_in_one_line_by_every_command(self):
        _, whole = self.shop_store()
        size = os.path.getsize(os.path.join(whole, "data.mdb"))
        commands = (["check"], ["eval"], ["export", "items"], ["generations"], ["migrate"], ["train", "--epochs", "1"],
                    ["snapshot", "--to", self.path("copy")])
        told = 0
        for kept in (100000, size // 2):
            for n, (name, *more) in enumerate(commands):
                _, store = self.shop_store(f"store-{kept}-{n}")
                os.truncate(os.path.join(store, "data.mdb"), kept)
                done = harness.run(name, "--store", store, *more, check=False, timeout=60)
                self.assertIn(done.returncode, (0, 1), (name, kept, done.stderr))
                if done.returncode == 1:
                    self.assertIn("data.mdb", done.stderr.splitlines()[-1], (name, kept))
                    told += 1
        self.assertGreaterEqual(told, len(commands))

    def test_a_garbled_idempotency_key_is_mended_by_one_command(self):
        store = self.path("store")
        with harness.Server(store) as server:
            for key in ("one-key-of-a-shop", "another-key"):
                made = server.client.post("/items", {"id": key}, headers={"Idempotency-Key": key})
                self.assertEqual(made.status, 201)
            refused = harness.run("check", "--store", store, "--repair", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"process {server.process.pid}", refused.stderr)
        path = os.path.join(store, "data.mdb")
        with open(path, "rb") as f:
            data = f.read()
        # The key occurs in several tables. Only in the table of kept answers, a value of version 2 follows it.
        good, bad = b"one-key-of-a-shop\2", b"one-key-of-a-sh\0p\2"
        self.assertTrue(good in data)
        with open(path, "wb") as f:
            f.write(data.replace(good, bad))
        found = harness.run("check", "--store", store, check=False)
        self.assertEqual(found.returncode, 1)
        self.assertIn("--repair", found.stderr)
        report = harness.run_json("check", "--store", store, "--repair")
        self.assertEqual((report["problems"], report["complete"]), (0, True))
        self.assertEqual(len(report["repaired"]), 2, report["repaired"])
        self.assertTrue(any('time of Idempotency-Key "one-key-of-a-shop"' in line for line in report["repaired"]))
        self.assert_checked(store)
        self.assertNotIn("repaired", harness.run_json("check", "--store", store))
        done = harness.run("check", "--store", store, "--repair")
        self.assertIn("nothing was repaired", done.stdout)
        with harness.Server(store) as server:
            self.assertEqual(server.client.get("/items/one-key-of-a-shop").status, 200)

    def test_an_interaction_damaged_on_one_side_is_restored_from_the_other(self):
        files, store = self.shop_store()
        path, before = os.path.join(store, "data.mdb"), harness.run("check", "--digest", "--store", store).stdout
        listed = harness.export(store, "interactions")
        with open(path, "rb") as f:
            data = f.read()
        # An interaction is stored twice, by user and by item. Both values end with the same version, time and weight, but
        # so may other records and freed pages.
        with open(os.path.join(files, "interactions.inter"), encoding="utf-8") as f:
            next(f)
            times = [float(line.rstrip("\n").split("\t")[-1]) for line in f]
        once = [t for t in times if times.count(t) == 1 and data.count(b"\1" + int(t).to_bytes(8, "little")) == 2]
        self.assertTrue(once)
        at = data.index(b"\1" + int(once[0]).to_bytes(8, "little"))
        with open(path, "wb") as f:
            f.write(data[:at] + b"\x41" + data[at + 1:])  # the record's version
        found = harness.run("check", "--store", store, check=False)
        self.assertEqual(found.returncode, 1)
        report = harness.run_json("check", "--store", store, "--repair")
        self.assertEqual((report["problems"], len(report["repaired"])), (0, 2), report)
        self.assertEqual(harness.run("check", "--digest", "--store", store).stdout, before)
        with harness.Server(store) as server:
            user = next(iter(harness.shop_users(files, 1)))
            self.assertEqual(len(server.client.get("/recommend", {"user": user, "k": 5}).items), 5)
        self.assertEqual(harness.export(store, "interactions"), listed)

    def test_json_is_printed_when_the_check_dies_or_cannot_end(self):
        _, whole = self.shop_store()
        size = os.path.getsize(os.path.join(whole, "data.mdb"))
        for n, kept in enumerate((8192, 100000, size // 2, size - 8192)):
            _, store = self.shop_store(f"store-{n}")
            os.truncate(os.path.join(store, "data.mdb"), kept)
            for more in ([], ["--repair"], ["--digest"], ["--user", "u"]):
                done = harness.run("check", "--store", store, "--json", *more, check=False)
                if done.returncode == 0:
                    continue
                report = json.loads(done.stdout)
                if not report.get("complete", True):
                    self.assertEqual((report["problems"], report["warnings"]), (1, []))
                    self.assertIn(report["list"][0], done.stderr)
                elif not more:
                    self.assertGreater(report["problems"], 0)
        # If a page inside the tree were damaged, the check could not continue.
        _, store = self.shop_store("killed")
        with open(os.path.join(store, "data.mdb"), "r+b") as f:
            f.truncate(size // 2)
        done = harness.run("check", "--store", store, "--json", check=False)
        self.assertEqual(json.loads(done.stdout)["complete"], False)

    def test_settings_and_what_the_machine_cannot_keep_are_said(self):
        _, store = self.shop_store()
        with open(self.path("stair.conf"), "w", encoding="ascii") as f:
            f.write("quota = 4TiB\n")
        done = harness.run("check", "--store", store, "--config", self.path("stair.conf"), env={"STAIR_RATE": "50"})
        self.assertIn("setting: quota = 4TiB (file)", done.stdout)
        self.assertIn("setting: rate = 50 (environment)", done.stdout)
        self.assertIn("warning: the quota of", done.stdout)
        self.assertNotIn("setting: listen", done.stdout)

    def test_the_file_that_is_named_beats_the_one_in_the_environment(self):
        _, store = self.shop_store()
        for name in ("flag", "environment"):
            with open(self.path(name), "w", encoding="ascii") as f:
                f.write(f"rate = {50 if name == 'flag' else 60}\n")
        done = harness.run("check", "--store", store, "--config", self.path("flag"),
                           env={"STAIR_CONFIG": self.path("environment")})
        self.assertIn("setting: rate = 50 (file)", done.stdout)
        done = harness.run("check", "--store", store, env={"STAIR_CONFIG": self.path("environment")})
        self.assertIn("setting: rate = 60 (file)", done.stdout)

    def test_the_limits_of_the_shell_and_of_the_supervisor_are_compared(self):
        _, store = self.shop_store()
        limited = ["prlimit", "--nofile=500", "--fsize=2000000000", harness.STAIR, "check", "--store", store, "--json"]
        env = {**harness.ENVIRONMENT, "STAIR_THREADS": "256", "STAIR_DRAIN_DELAY": "20", "KUBERNETES_SERVICE_HOST": "x"}
        done = subprocess.run(limited, env=env, capture_output=True, text=True, timeout=60, check=True)
        report = json.loads(done.stdout)
        for wanted in ("ulimit -n of at least 1144, not 500", "limited to 1907 MiB (ulimit -f)", "256 threads for",
                       "a stop may take 45 s, but Kubernetes kills the service after 30 s"):
            self.assertTrue(any(wanted in line for line in report["warnings"]), (wanted, report))
        self.assertTrue(any(line.startswith("quota: none") for line in report["notes"]), report)
        self.assertEqual(report["problems"], 0)

    def test_the_memory_that_is_foretold_is_what_a_service_takes(self):
        _, store = self.shop_store()
        notes = harness.run_json("check", "--store", store)["notes"]
        line = next(line for line in notes if line.startswith("memory:"))
        foretold = float(re.search(r"about (\d+) MiB while serving", line).group(1))
        with harness.Server(store) as server:
            with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
                taken = float(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) / 1024
        self.assertTrue(foretold / 2.5 < taken < foretold * 2.5, (line, taken))

    def test_the_memory_that_is_foretold_of_a_training_is_what_it_takes(self):
        files, store = self.path("wide"), self.path("store")
        harness.run("demo", "--out", files, "--users", 3000, "--items", 4000, "--interactions", 40000, "--text-dim", 512,
                    "--image-dim", 512)
        harness.run("import", "--store", store, *harness.import_arguments(files))
        notes = harness.run_json("check", "--store", store)["notes"]
        line = next(line for line in notes if line.startswith("memory of a training:"))
        foretold = float(re.search(r"at least (\d+) MiB", line).group(1))
        trained = harness.run_json("train", "--store", store, "--epochs", 2, "--threads", 2)
        print(f"MEASURED: a training takes {trained['peak_rss_mib']:.0f} MiB, foretold at least {foretold:.0f}")
        self.assertLess(foretold, trained["peak_rss_mib"])
        self.assertGreater(foretold, trained["peak_rss_mib"] / 2.5)

    def test_generations_are_listed_activated_and_pruned(self):
        _, store = self.shop_store()
        harness.run("train", "--store", store, "--epochs", 1, "--dim", 16, "--activate", "no")
        listed = harness.run_json("generations", "--store", store)["generations"]
        self.assertEqual([(g["generation"], g["active"]) for g in listed], [(1, True), (2, False)])
        self.assertEqual(listed[0]["options"]["dim"], 32)
        self.assertIn("NDCG@20", listed[0]["valid"])
        self.assertGreater(len(listed[0]["curve"]), 1)
        listed = harness.run_json("generations", "--store", store, "--activate", 2)["generations"]
        self.assertEqual([g["active"] for g in listed], [False, True])
        with harness.Server(store):
            refused = harness.run("generations", "--store", store, "--activate", 1, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("POST /model/activate", refused.stderr)
            refused = harness.run("generations", "--store", store, "--prune", 0, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("POST /model/prune", refused.stderr)
            self.assertIn("stop it first", refused.stderr)
        listed = harness.run_json("generations", "--store", store, "--prune", 0)["generations"]
        self.assertEqual([g["generation"] for g in listed], [2])
        self.assert_checked(store)

    def test_every_listed_figure_comes_with_protocol_mask_and_users_dropped(self):
        _, store = self.shop_store()
        done = harness.run("train", "--store", store, "--epochs", 1, "--dim", 16, "--activate", "no",
                           "--protocol", "mmrec", "--refit")
        self.assertRegex(done.stdout, "protocol mmrec; masked for test: train; users dropped: [0-9]+; trained on validation too")
        listed = harness.run("generations", "--store", store).stdout.splitlines()
        self.assertRegex(listed[1], r"protocol stair, masked: train\+valid, [0-9]+ users dropped$")
        self.assertRegex(listed[2], r"protocol mmrec, masked: train, [0-9]+ users dropped, refit$")
        first, second = harness.run_json("generations", "--store", store)["generations"]
        self.assertEqual((first["protocol"], first["refit"]), ("stair", False))
        self.assertEqual((second["protocol"], second["mask"], second["refit"]), ("mmrec", "train", True))
        found = harness.run_json("eval", "--store", store, "--generation", 2, "--protocol", "mmrec")
        self.assertEqual(second["users_dropped"], found["users_dropped"])
        with harness.Server(store) as server:
            training = server.client.get("/model/generations").json["generations"][1]["training"]
        self.assertEqual((training["protocol"], training["mask"]), ("mmrec", "train"))
        self.assertEqual(training["users_dropped"], found["users_dropped"])

    def test_eval_says_when_a_generation_was_trained_on_what_it_is_judged_by(self):
        _, store = self.shop_store()
        harness.run("train", "--store", store, "--epochs", 1, "--dim", 16, "--activate", "no", "--refit")
        for number, on, told in ((1, "valid", False), (2, "valid", True), (2, "test", True)):
            done = harness.run("eval", "--store", store, "--generation", number, "--on", on, "--json")
            self.assertEqual(json.loads(done.stdout)["trained_on_valid"], told)
            self.assertEqual("is a refit" in done.stderr, told and on == "valid", done.stderr)

    def test_a_snapshot_of_a_live_store_serves_the_same(self):
        _, store = self.shop_store()
        copy = self.path("copy")
        with harness.Server(store) as server:
            server.client.post("/items", {"id": "late"})
            done = harness.run_json("snapshot", "--store", store, "--to", copy)
            seq = server.client.get("/model").json["seq"]
            popular = server.client.get("/popular", {"k": 20}).items
        self.assertEqual(done["seq"], seq)
        self.assert_checked(copy)
        with harness.Server(copy) as restored:
            self.assertEqual(restored.client.get("/items/late").status, 200)
            self.assertEqual(restored.client.get("/popular", {"k": 20}).items, popular)
        again = harness.run("snapshot", "--store", store, "--to", copy, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("exists", again.stderr)

    def test_an_old_format_is_refused_by_serve_and_migrates(self):
        for old in 1, 2:
            store = self.path(f"old-{old}")
            os.mkdir(store)
            shutil.copy(os.path.join(harness.ROOT, "tests", "fixtures", f"store-v{old}", "data.mdb"), store)
            refused = harness.run("serve", "--store", store, "--listen", "127.0.0.1:0", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("stair migrate", refused.stderr)
            self.assertEqual(harness.run_json("migrate", "--store", store), {"from": old, "to": 3, "dropped": 0})
            self.assert_checked(store)
            warnings = harness.run_json("check", "--store", store)["warnings"]
            self.assertTrue(any("generation 1 is active but its tables are missing" in line for line in warnings), warnings)


if __name__ == "__main__":
    harness.main()
