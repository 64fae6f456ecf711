# SPDX-License-Identifier: Apache-2.0
"""Import: every case of tests/fixtures/import, and the store that an import leaves after a kill, on a full
disk or over another format.

A case is a folder with the input files, `command` (the arguments after --store) and `expected.json`: the
exit status, texts that standard error must contain, and parts of the report of --json. An import that
fails must leave the store as it was, byte for byte. So each failing case runs twice: into a new folder,
and into a store that has content.
"""

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

CASES = os.path.join(harness.ROOT, "tests", "fixtures", "import")
BASE = ('{"user":"u1","item":"old-a","split":"train"}\n{"user":"u1","item":"old-b","split":"valid"}\n',
        '{"id":"old-a","features":{"old":[1,2]}}\n{"id":"old-b","features":{"old":[3,4]}}\n')


def digest(store):
    with open(os.path.join(store, "data.mdb"), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Import(harness.TestCase):
    def base_store(self):
        """Makes a store with content. Only imports change it."""
        if not hasattr(Import, "base"):
            Import.base = tempfile.mkdtemp(prefix="stair-base-")
            self.addClassCleanup(shutil.rmtree, Import.base)
            for name, text in zip(("i.jsonl", "items.jsonl"), BASE):
                with open(os.path.join(Import.base, name), "w", encoding="utf-8") as f:
                    f.write(text)
            harness.run("import", "--store", os.path.join(Import.base, "store"), "--interactions",
                        os.path.join(Import.base, "i.jsonl"), "--items", os.path.join(Import.base, "items.jsonl"))
        copy = self.path("base-%d" % random.randrange(1 << 60))
        shutil.copytree(os.path.join(Import.base, "store"), copy)
        return copy

    def counts(self, store):
        """Counts items and interactions by an export, which reads every record."""
        done = harness.run_json("export", "--store", store, "--to", self.path("export-%d" % random.randrange(1 << 60)))
        return done["items"], done["interactions"]

    def run_case(self, name, store, merge):
        folder = os.path.join(CASES, name)
        with open(os.path.join(folder, "expected.json"), encoding="utf-8") as f:
            expected = json.load(f)
        with open(os.path.join(folder, "command"), encoding="utf-8") as f:
            command = shlex.split(f.read())
        more = (["--merge"] if merge else []) + (["--json"] if "json" in expected else [])
        done = harness.run("import", "--store", store, *command, *more, check=False, cwd=folder)
        self.assertEqual(done.returncode, expected["exit"], done.stderr)
        for text in expected.get("says", ()):
            self.assertIn(text, done.stderr)
        if expected["exit"] != 0:
            last = done.stderr.rstrip("\n").splitlines()[-1]
            self.assertTrue(last.startswith("stair"), done.stderr)
        if "json" in expected:
            report = json.loads(done.stdout)
            for key, value in expected["json"].items():
                self.assertEqual(report[key], value, (key, report))
        for what, documents in expected.get("export", {}).items():
            self.assert_exported(store, what, documents)
        return expected

    def assert_exported(self, store, what, documents):
        """Checks that the export has exactly these items, and each with at least these members."""
        lines = harness.run("export", "--store", store, what).stdout.splitlines()
        self.assertEqual(len(lines), len(documents) if what == "items" else len(lines))
        for wanted in documents:
            self.assertTrue(any(self.holds(json.loads(line), wanted) for line in lines), (wanted, lines))

    @staticmethod
    def holds(document, wanted):
        return all(abs(document[k] - v) < 1e-6 if k == "weight" else document.get(k, None) == v
                   for k, v in wanted.items())

    def test_every_case_ends_as_expected_and_a_failed_one_changes_nothing(self):
        names = sorted(os.listdir(CASES))
        self.assertGreater(len(names), 90)
        for name in names:
            with self.subTest(case=name):
                with open(os.path.join(CASES, name, "expected.json"), encoding="utf-8") as f:
                    expected = json.load(f)
                if expected.get("only") != "merge":
                    store = self.path(name)
                    self.run_case(name, store, False)
                    if expected["exit"] == 0:
                        self.assertEqual(harness.run("check", "--store", store, check=False).returncode, 0)
                    else:
                        self.assertFalse(os.path.exists(store))
                if expected["exit"] != 0:
                    store = self.base_store()
                    before = digest(store)
                    self.run_case(name, store, True)
                    self.assertEqual(digest(store), before)
                    self.assertEqual(harness.run("check", "--store", store, check=False).returncode, 0)
                    self.assertFalse(os.path.exists(os.path.join(store, "import.tmp")))

    def test_a_store_with_content_is_not_imported_into_without_merge(self):
        store = self.base_store()
        before = digest(store)
        done = harness.run("import", "--store", store, "--items", os.path.join(Import.base, "items.jsonl"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--merge", done.stderr)
        self.assertEqual(digest(store), before)

    def test_a_store_of_another_format_is_refused_by_number_and_not_touched(self):
        for other, told in ((-1, "older"), (1, "newer"), (1000, "newer")):
            store = self.base_store()
            path = os.path.join(store, "data.mdb")
            with open(path, "rb") as f:
                data = f.read()
            ours = int.from_bytes(re.search(rb"format(....)", data, re.DOTALL).group(1), "little")
            format = ours + other
            with open(path, "wb") as f:
                f.write(data.replace(b"format" + ours.to_bytes(4, "little"), b"format" + format.to_bytes(4, "little")))
            before = digest(store)
            done = harness.run("import", "--store", store, "--items", os.path.join(Import.base, "items.jsonl"),
                               "--merge", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("format %d" % format, done.stderr)
            self.assertIn(told, done.stderr)
            self.assertEqual(digest(store), before)

    def test_a_failed_import_leaves_a_folder_that_was_there(self):
        store = self.path("store")
        os.mkdir(store)
        missing = ("import", "--store", store, "--interactions", self.path("misspelt.csv"))
        self.assertEqual(harness.run(*missing, check=False).returncode, 1)
        self.assertTrue(os.path.isdir(store))

    def test_a_type_weighs_the_same_in_every_format(self):
        types = ("--interaction-types", "purchase=edge+seen:1,view=edge:0.25")
        for name, text in (("i.csv", "user,item,type\nu,i,view\n"),
                           ("i.inter", "user_id:token\titem_id:token\ttype:token\nu\ti\tview\n"),
                           ("i.jsonl", '{"user":"u","item":"i","type":"view"}\n')):
            path, store = self.path(name), self.path("store-" + name)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            harness.run("import", "--store", store, "--interactions", path, *types)
            self.assertEqual(json.loads(harness.export(store, "interactions"))["weight"], 0.25, name)

    def test_a_training_beside_a_merge_is_refused_and_loses_nothing(self):
        _, store = self.shop_store()
        before = harness.run_json("generations", "--store", store)
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        merge = subprocess.Popen([harness.STAIR, "import", "--store", store, "--merge", "--interactions", pipe],
                                 stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=harness.ENVIRONMENT)
        with open(pipe, "w", encoding="utf-8") as lines:  # when it is open, the merge has made its copy
            train = harness.run("train", "--store", store, "--epochs", 1, check=False, timeout=60)
            lines.write("user,item\na-new-user,sku-0\n")
        _, said = merge.communicate(timeout=60)
        self.assertEqual(merge.returncode, 0, said)
        self.assertEqual(train.returncode, 1)
        self.assertIn("or an import into it, runs in process %d" % merge.pid, train.stderr)
        self.assertEqual(harness.run_json("generations", "--store", store), before)

    def test_interactions_may_come_through_a_pipe(self):
        pipe, store = self.path("pipe"), self.path("piped")
        os.mkfifo(pipe)
        writer = subprocess.Popen(["sh", "-c", 'printf "user,item\nu,i\nu,j\n" > "$0"', pipe])
        report = harness.run_json("import", "--store", store, "--interactions", pipe)
        writer.wait()
        self.assertEqual(report["interactions"], 2)

    def test_a_merge_replaces_items_and_keeps_what_it_does_not_name(self):
        store = self.base_store()
        items, more = self.path("items.jsonl"), self.path("more.jsonl")
        with open(items, "w", encoding="utf-8") as f:
            f.write('{"id":"old-b","title":"B2"}\n{"id":"c","title":"C"}\n')
        with open(more, "w", encoding="utf-8") as f:
            f.write('{"user":"u1","item":"c"}\n{"user":"u2","item":"old-a"}\n{"user":"u1","item":"old-a"}\n')
        report = harness.run_json("import", "--store", store, "--items", items, "--interactions", more, "--merge")
        self.assertEqual((report["items"], report["users"], report["interactions"]), (3, 2, 4))
        self.assertEqual((report["new_items"], report["new_users"], report["new_interactions"]), (1, 1, 2))
        self.assertEqual(report["skipped"]["duplicates"], 1)
        self.assertEqual(report["seq"], 2)
        out = self.path("out")
        harness.run("export", "--store", store, "--to", out)
        with open(os.path.join(out, "items.jsonl"), encoding="utf-8") as f:
            got = {d["id"]: d for d in map(json.loads, f)}
        self.assertEqual(got["old-b"]["title"], "B2")
        self.assertIn("old", got["old-b"]["features"], "vectors that a merge does not name stay")
        self.assertEqual(harness.run("check", "--store", store, check=False).returncode, 0)

    def test_a_merge_refuses_a_pair_that_the_store_has_in_another_split(self):
        store = self.base_store()
        before = digest(store)
        more = self.path("more.jsonl")
        with open(more, "w", encoding="utf-8") as f:
            f.write('{"user":"u1","item":"old-b","split":"train"}\n{"user":"u9","item":"old-b"}\n')
        done = harness.run("import", "--store", store, "--interactions", more, "--merge", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("more.jsonl:1: the store has the same user and item, but train here and valid there", done.stderr)
        self.assertEqual(digest(store), before)
        report = harness.run_json("import", "--store", store, "--interactions", more, "--merge", "--duplicates",
                                  "keep-first")
        self.assertEqual((report["new_interactions"], report["skipped"]["duplicates"]), (1, 1))

    def test_an_item_that_import_makes_beside_a_catalogue_stays_hidden_until_its_put(self):
        with open(self.path("items.jsonl"), "w", encoding="utf-8") as f:
            f.write('{"id":"lamp","title":"Lamp"}\n')
        with open(self.path("i.csv"), "w", encoding="utf-8") as f:
            f.write("user,item\nu,lamp\nu,delisted\nv,delisted\n")
        store = self.path("store")
        harness.run("import", "--store", store, "--items", self.path("items.jsonl"), "--interactions",
                    self.path("i.csv"), "--unknown-items", "create")
        with harness.Server(store) as server:
            client = server.new_client()
            self.assertEqual([i["item"] for i in client.get("/popular").json["items"]], ["lamp"])
            self.assertTrue(client.get("/items/delisted").json["hidden"])
            client.put("/items/delisted", {"title": "Back again"})
            self.assertEqual(client.get("/popular").json["items"][0]["item"], "delisted")
        with harness.Server(self.listed_without_a_catalogue()) as server:
            self.assertEqual(len(server.new_client().get("/popular").json["items"]), 2)

    def listed_without_a_catalogue(self):
        """Without --items, every item that the interactions name is in the catalogue and is listed."""
        store = self.path("bare")
        harness.run("import", "--store", store, "--interactions", self.path("i.csv"))
        return store

    def test_an_export_imported_and_exported_again_is_the_same_bytes(self):
        files = self.path("files")
        harness.run("demo", "--out", files, "--users", 200, "--items", 100, "--interactions", 2000)
        first, second = self.path("first"), self.path("second")
        harness.run("import", "--store", self.path("a"), *harness.import_arguments(files, "random"))
        harness.run("export", "--store", self.path("a"), "--to", first)
        harness.run("import", "--store", self.path("b"), "--items", os.path.join(first, "items.jsonl"),
                    "--interactions", os.path.join(first, "interactions.jsonl"))
        harness.run("export", "--store", self.path("b"), "--to", second)
        for name in ("items.jsonl", "interactions.jsonl"):
            with open(os.path.join(first, name), "rb") as a, open(os.path.join(second, name), "rb") as b:
                text = a.read()
                self.assertEqual(text, b.read(), name)
            self.assertEqual(harness.run("export", "--store", self.path("b"), name[:-6]).stdout.encode(), text)
        self.assertEqual(harness.run("export", "--store", self.path("b"), check=False).returncode, 2)
        self.assertEqual(harness.run("export", "--store", self.path("b"), "users", check=False).returncode, 2)

    def test_the_same_seed_gives_the_same_shop_and_split(self):
        outputs = []
        for name in ("a", "b"):
            shop, store, out = self.path("shop" + name), self.path(name), self.path("out" + name)
            harness.run("demo", "--out", shop, "--users", 50, "--items", 60, "--interactions", 300)
            harness.run("import", "--store", store, *harness.import_arguments(shop, "random"))
            harness.run("export", "--store", store, "--to", out)
            with open(os.path.join(out, "interactions.jsonl"), "rb") as f:
                outputs.append(f.read())
        self.assertEqual(outputs[0], outputs[1])
        self.assertIn(b'"split":"test"', outputs[0])

    def test_a_live_server_keeps_import_out(self):
        store = self.base_store()
        with harness.Server(store):
            done = harness.run("import", "--store", store, "--items", os.path.join(Import.base, "items.jsonl"),
                               "--merge", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"process \d+|pid \d+")

    def test_a_kill_at_any_moment_leaves_the_old_content_or_the_new(self):
        shop = self.path("shop")
        harness.run("demo", "--out", shop, "--users", 4000, "--items", 2000, "--interactions", 60000)
        arguments = [harness.STAIR, "import", "--merge", *harness.import_arguments(shop, "random"), "--store"]
        whole = self.base_store()
        started = time.monotonic()
        subprocess.run([*arguments, whole], check=True, capture_output=True, env=harness.ENVIRONMENT)
        seconds = time.monotonic() - started
        old, new = (2, 2), self.counts(whole)
        self.assertNotEqual(old, new)
        seen = set()
        chance = random.Random(5)
        for _ in range(int(os.environ.get("KILL_ROUNDS", "10"))):
            store = self.base_store()
            process = subprocess.Popen([*arguments, store], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=harness.ENVIRONMENT)
            try:
                process.wait(chance.uniform(0.0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            done = harness.run("check", "--store", store, check=False)
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
            self.assertIn(self.counts(store), (old, new))
            seen.add(self.counts(store))
            again = harness.run("import", "--store", store, *harness.import_arguments(shop, "random"), "--merge")
            self.assertEqual(again.returncode, 0)
            self.assertEqual(self.counts(store), new)
            self.assertFalse(os.path.exists(os.path.join(store, "import.tmp")))
        self.assertIn(old, seen, "no kill came before the end: the test says nothing")

    def test_ctrl_c_leaves_the_store_as_it_was(self):
        shop = self.path("shop")
        harness.run("demo", "--out", shop, "--users", 20000, "--items", 2000, "--interactions", 300000)
        store = self.base_store()
        before = digest(store)
        process = subprocess.Popen([harness.STAIR, "import", "--merge", *harness.import_arguments(shop), "--store", store],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=harness.ENVIRONMENT)
        first = process.stderr.readline()  # it is at work
        process.send_signal(signal.SIGINT)
        text = first + process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 130, text)
        self.assertEqual(digest(store), before)
        self.assertFalse(os.path.exists(os.path.join(store, "import.tmp")))

    @unittest.skipUnless(os.geteuid() == 0, "")
    def test_a_full_disk_leaves_the_store_as_it_was(self):
        shop = self.path("shop")
        harness.run("demo", "--out", shop, "--users", 4000, "--items", 2000, "--interactions", 60000)
        mount = self.path("small")
        os.mkdir(mount)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], check=False).returncode != 0:
            print("NOT RUN: full disk during import: no tmpfs can be mounted here")
            return
        try:
            store = os.path.join(mount, "store")
            shutil.copytree(self.base_store(), store)
            before = digest(store)
            done = harness.run("import", "--store", store, *harness.import_arguments(shop), "--merge", check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr.splitlines()[-1], "no room|full|No space")
            self.assertEqual(digest(store), before)
            self.assertEqual(harness.run("check", "--store", store, check=False).returncode, 0)
            self.assertFalse(os.path.exists(os.path.join(store, "import.tmp")))
        finally:
            subprocess.run(["umount", mount], check=True)


if __name__ == "__main__":
    harness.main()
