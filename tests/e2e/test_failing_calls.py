# SPDX-License-Identifier: Apache-2.0
"""Each call on a file of the store fails in turn, or the process is killed there. Whatever the command then
reports, the store is whole.

A run without settings takes some of the calls, different ones each day. FAILING_CALLS=all takes every call
with EIO, ENOSPC, a short write and kill -9. FAILING_CALLS=20-59 takes the calls 20 to 59 of these, so that
a long run can be done in parts.
"""

import errno
import http.client
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "failing_call.c")
CALLS = os.environ.get("FAILING_CALLS", "")  # "all", "FIRST-LAST" or nothing
SAMPLE = 8  # of the calls of a command
KILL = -1
KINDS = {errno.EIO: "fails with EIO", errno.ENOSPC: "fails with ENOSPC", 0: "writes a part", KILL: "is the last"}


class FailingCalls(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.library = self.path("failing_call.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.library, SHIM, "-ldl"], check=True)
        self.count = self.path("count")
        self.under = self.path("under")

    def environment(self, number, kind):
        with open(self.count, "wb") as f:
            f.write(bytes(8))
        return {"LD_PRELOAD": self.library, "FAIL_COUNT": self.count, "FAIL_UNDER": self.under,
                "FAIL_CALL": str(number), "FAIL_ERRNO": str(kind)}

    def calls(self):
        with open(self.count, "rb") as f:
            return int.from_bytes(f.read(8), "little")

    def fresh(self, source):
        shutil.rmtree(self.under, ignore_errors=True)
        os.mkdir(self.under)
        if source is not None:
            shutil.copytree(source, os.path.join(self.under, "store"))
        return os.path.join(self.under, "store")

    def cases(self, act, source):
        """Runs `act` without faults to count its calls; returns which of them shall fail, and how."""
        self.fresh(source)
        act(self.environment(0, errno.EIO))
        total = self.calls()
        self.assertGreater(total, 0)
        first, last = (int(n) for n in CALLS.split("-")) if "-" in CALLS else (1, total)
        every = [(number, kind) for number in range(first, min(last, total) + 1) for kind in KINDS]
        picked = every if CALLS else random.Random(total).sample(every, min(SAMPLE, len(every)))
        print(f"MEASURED: {self.id().split('.')[-1]}: {len(picked)} cases of {total} calls", flush=True)
        for number, kind in picked:
            if CALLS and kind == next(iter(KINDS)):
                print(f"call {number}", flush=True)
            yield number, kind

    def assert_whole(self, store, what):
        done = harness.run("check", "--store", store, check=False)
        self.assertEqual(done.returncode, 0, f"{what}\n{done.stderr}")

    def written(self):
        """Makes a shop with keyed writes, erasures and three generations; remembers what was acknowledged."""
        files, store = self.shop_store("written")
        for epochs in (1, 2):
            harness.run("train", "--store", store, "--epochs", epochs, "--dim", 16, "--activate", "no")
        self.said = []
        with harness.Server(store) as server:
            self.write(server.client, list(harness.shop_users(files, 3)), self.said)
        return store

    def verify_written(self, store, status, what):
        del status
        with harness.Server(store) as again:
            self.verify(again.client, self.said, what)

    def in_turn(self, command, source, after=None, again=False):
        """`command` takes the store's folder and gives the arguments; with `again` it has to succeed after
        it did not."""
        store = os.path.join(self.under, "store")

        def act(env):
            return harness.run(*command(store), check=False, timeout=120, env=env)

        for number, kind in self.cases(act, source):
            self.fresh(source)
            done = act(self.environment(number, kind))
            what = f"call {number} {KINDS[kind]}: {done.stderr}"
            self.assertIn(done.returncode, (0, 1, -9) if kind == KILL else (0, 1), what)
            if done.returncode == 1:
                self.assertIn("stair ", done.stderr, what)
            if again and done.returncode != 0:  # what a failed run left must not hinder the next, unless it is complete
                repeated = harness.run(*command(store), check=False)
                if "add to them with --merge" not in repeated.stderr:
                    self.assertEqual(repeated.returncode, 0, f"{what}\n{repeated.stderr}")
            self.assert_whole(store, what)
            if after is not None:
                after(store, done.returncode, what)

    def test_import(self):
        files, _ = harness.shop()
        self.in_turn(lambda store: ("import", "--store", store, *harness.import_arguments(files)), None, again=True)

    def test_import_over_a_store(self):
        files, good = harness.shop()
        self.in_turn(lambda store: ("import", "--store", store, *harness.import_arguments(files)), good)

    def test_train(self):
        _, good = harness.shop()
        self.in_turn(lambda store: ("train", "--store", store, "--epochs", 2, "--activate", "yes"), good)

    def test_snapshot(self):
        _, good = harness.shop()
        copy = os.path.join(self.under, "copy")

        def after(_, status, what):
            self.assertTrue(status != 0 or os.path.exists(copy), what)
            if os.path.exists(copy):  # if only the folder's sync failed, the copy is complete
                self.assert_whole(copy, what)

        self.in_turn(lambda store: ("snapshot", "--store", store, "--to", copy), good, after)

    def test_generations(self):
        _, good = harness.shop()
        self.in_turn(lambda store: ("generations", "--store", store, "--activate", 1), good)

    def test_prune(self):
        self.in_turn(lambda store: ("generations", "--store", store, "--prune", 0), self.written(), self.verify_written,
                     again=True)

    def test_repair(self):
        source = self.written()
        path = os.path.join(source, "data.mdb")
        with open(path, "rb") as f:
            data = f.read()
        self.assertTrue(b"a2\2" in data)
        with open(path, "wb") as f:  # the key of a kept answer, as in test_check
            f.write(data.replace(b"a2\2", b"a\0\2"))
        self.said = [entry for entry in self.said if entry[0] != "kept" or entry[1][0] != "a2"]
        store = os.path.join(self.under, "store")

        def act(env):
            return harness.run("check", "--store", store, "--repair", check=False, timeout=120, env=env)

        for number, kind in self.cases(act, source):
            self.fresh(source)
            act(self.environment(number, kind))
            what = f"call {number} {KINDS[kind]}"
            repeated = harness.run("check", "--store", store, "--repair", check=False)
            self.assertEqual(repeated.returncode, 0, f"{what}\n{repeated.stderr}")
            self.verify_written(store, 0, what)

    def test_tune(self):
        self.in_turn(lambda store: ("tune", "--store", store, "--budget-epochs", 5, "--epochs", 2, "--dim", 16,
                                    "--activate", "yes"), self.written(), self.verify_written)

    def test_what_only_reads(self):
        out = os.path.join(self.under, "out")
        for command in (("check",), ("eval",), ("export", "--to", out)):
            with self.subTest(command[0]):
                source = self.written()
                before = harness.run("check", "--digest", "--store", source).stdout

                def after(store, status, what):
                    shutil.rmtree(out, ignore_errors=True)
                    self.assertEqual(harness.run("check", "--digest", "--store", store).stdout, before, what)

                self.in_turn(lambda store: (*command, "--store", store), source, after)
                shutil.rmtree(source)

    def test_migrate(self):
        old = os.path.join(harness.ROOT, "tests", "fixtures", "store-v1")
        self.in_turn(lambda store: ("migrate", "--store", store), old, again=True)

    def write(self, ask, users, said):
        """Keyed writes and erasures; appends what was acknowledged to `said`, as (kind, thing, answer)."""
        for n, user in enumerate(users):
            body = {"interactions": [{"user": user, "item": "sku-1"}, {"user": f"other-{n}", "item": "sku-1"}]}
            for key in (f"a{n}", f"b{n}"):
                answer = ask.post("/interactions", body, headers={"Idempotency-Key": key}, contract_check=False)
                if answer.status == 200:
                    said.append(("kept", (key, body), answer.body))
            if ask.put(f"/items/new-{n}", {"title": "new"}, contract_check=False).status == 201:
                said.append(("there", f"/items/new-{n}", None))
            if ask.delete(f"/users/{user}", contract_check=False).status == 200:
                said.append(("gone", f"/users/{user}/interactions", None))

    def verify(self, ask, said, what):
        gone = [thing for kind, thing, _ in said if kind == "gone"]
        for kind, thing, answer in said:
            if kind == "there":
                self.assertEqual(ask.get(thing).status, 200, f"{what}: {thing}")
            elif kind == "kept":
                key, body = thing
                again = ask.post("/interactions", body, headers={"Idempotency-Key": key})
                erased = f"/users/{body['interactions'][0]['user']}/interactions" in gone
                if again.status == 404 or not erased:  # an erasure may have been cut off, unacknowledged
                    self.assertTrue(again.status == 404 or again.body == answer, f"{what}: {key}: {again.body}")
                else:
                    self.fail(f"{what}: a repeat of {key} after the erasure: {again.body}")
        for path in gone:
            self.assertEqual(ask.get(path).status, 404, f"{what}: {path} is back")

    def test_serve_keeps_what_it_acknowledged(self):
        files, good = harness.shop()
        users = list(harness.shop_users(files, 3))
        store = os.path.join(self.under, "store")
        said = []

        def act(env):
            said.clear()
            try:
                server = harness.Server(store, env=env)
            except AssertionError:
                return  # refused at the start, or killed
            try:
                self.write(server.client, users, said)
                status = server.stop()
            except (OSError, http.client.HTTPException):  # it ended, so what it acknowledged has to be there
                status = server.process.wait(60)
                server.kill()
            self.assertIn(status, (0, 1, -9), "".join(server.log[-5:]))

        for number, kind in self.cases(act, good):
            self.fresh(good)
            act(self.environment(number, kind))
            acknowledged, what = list(said), f"call {number} {KINDS[kind]}"
            self.assert_whole(store, what)
            with harness.Server(store) as again:
                self.verify(again.client, acknowledged, what)
            self.assert_whole(store, what)


if __name__ == "__main__":
    harness.main()
