# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment: no acknowledged write is lost, and no write is applied in part."""

import http.client
import os
import random
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))


class Writer(threading.Thread):
    """Writes until the server has ended, and remembers what was acknowledged."""

    def __init__(self, server, number, base):
        super().__init__(daemon=True)
        self.server, self.number, self.base = server, number, base
        self.items, self.deleted, self.bought, self.seq, self.problems = {}, set(), set(), 0, []
        self.keyed, self.erased = [], set()

    def run(self):
        rng = random.Random(self.base * 1000 + self.number)
        ask = self.server.new_client()
        n = 0
        try:
            while True:
                n += 1
                item = f"k{self.base}-{self.number}-{n}"
                price = rng.randrange(1000)
                answer = ask.post("/items", {"items": [
                    {"id": item + half, "title": item, "attributes": {"price": price}} for half in ("a", "b")]})
                if answer.status != 200:
                    self.problems.append(answer.body)
                    return
                self.acknowledged(answer)
                self.items[item + "a"] = self.items[item + "b"] = price
                answer = ask.post("/interactions", {"interactions": [{"user": f"w{self.number}", "item": item + "a"}]})
                self.acknowledged(answer)
                self.bought.add((f"w{self.number}", item + "a"))
                self.keyed_write(ask, n, item + "a", rng)
                if rng.random() < 0.3:
                    self.deleting = item + "b"
                    self.acknowledged(ask.delete("/items/" + item + "b"))
                    self.deleted.add(item + "b")
        except (OSError, http.client.HTTPException):
            pass
        except Exception as problem:  # a thread's exception would be lost
            self.problems.append(repr(problem))
        finally:
            ask.close()

    deleting = erasing = None

    def keyed_write(self, ask, n, item, rng):
        """Sends a write with an Idempotency-Key for a new user, and sometimes erases that user."""
        user, key = f"e{self.base}-{self.number}-{n}", f"key-{self.base}-{self.number}-{n}"
        body = {"interactions": [{"user": user, "item": item}]}
        answer = ask.post("/interactions", body, headers={"Idempotency-Key": key})
        self.acknowledged(answer)
        self.keyed.append((key, body, user, answer.body))
        if rng.random() < 0.3:
            self.erasing = user
            self.acknowledged(ask.delete("/users/" + user))
            self.erased.add(user)

    def acknowledged(self, answer):
        if answer.status not in (200, 201):
            raise AssertionError(answer.body)
        self.seq = max(self.seq, answer.json["seq"])


class Kill(harness.TestCase):
    def assert_kept(self, ask, writers):
        """Checks that a repeat of a keyed write gets the first answer, and after an erasure none; erased users stay erased."""
        for w in writers:
            for key, body, user, answer in w.keyed:
                again = ask.post("/interactions", body, headers={"Idempotency-Key": key})
                if user in w.erased or (user == w.erasing and again.status == 404):
                    self.assertEqual(again.status, 404, key)
                else:
                    self.assertEqual((again.status, again.body), (200, answer), key)
            for user in w.erased:
                self.assertEqual(ask.get(f"/users/{user}/interactions").status, 404, user)

    def items_of(self, ask, user):
        """All items of the user's interactions, read page by page."""
        items, cursor = set(), None
        while True:
            query = {"limit": 1000, **({"cursor": cursor} if cursor else {})}
            page = ask.get(f"/users/{user}/interactions", query).json
            items |= {entry["item"] for entry in page["interactions"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def test_what_was_acknowledged_survives_kills_under_load(self):
        _, store = self.shop_store()
        rng = random.Random(11)
        written = 0
        for turn in range(ROUNDS):
            server = harness.Server(store)
            writers = [Writer(server, n, turn) for n in range(4)]
            for w in writers:
                w.start()
            time.sleep(0.05 + 0.4 * rng.random())  # the moment of the kill is the subject of this test
            server.kill()
            for w in writers:
                w.join(30)
                self.assertEqual(w.problems, [])
            self.assert_checked(store)
            with harness.Server(store) as again:
                ask = again.client
                self.assertGreaterEqual(ask.get("/model").json["seq"], max(w.seq for w in writers))
                for w in writers:
                    written += len(w.items)
                    for item, price in w.items.items():
                        answer = ask.get("/items/" + item)
                        if item in w.deleted:
                            self.assertEqual(answer.status, 404, item)
                        elif item != w.deleting:
                            self.assertEqual(answer.status, 200, item)
                            self.assertEqual(answer.json["attributes"]["price"], price)
                    items = self.items_of(ask, f"w{w.number}") if w.bought else set()
                    bought = {item for _, item in w.bought}
                    self.assertTrue(bought <= items, bought - items)
                self.assert_kept(ask, writers)
        self.assertGreater(written, ROUNDS * 4)

    def test_commands_killed_beside_a_service_harm_neither_it_nor_the_store(self):
        _, store = self.shop_store()
        rng = random.Random(12)
        commands = {"train": ("--epochs", 3, "--dim", 16, "--activate", "no"),
                    "tune": ("--budget-epochs", 5, "--epochs", 2, "--dim", 16, "--activate", "no"),
                    "eval": (), "check": (), "export": ("--to", self.path("out")),
                    "snapshot": ("--to", self.path("copy"))}
        server = harness.Server(store)
        writers = [Writer(server, n, 0) for n in range(2)]
        for w in writers:
            w.start()
        for name, options in commands.items():
            for _ in range(max(1, ROUNDS // 10)):
                child = subprocess.Popen([harness.STAIR, name, "--store", store, *map(str, options)], env=harness.ENVIRONMENT,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(rng.choice((0.01, 0.05, 0.2, 0.5)) * rng.random())  # whatever it is doing at that moment
                child.kill()
                child.wait()
                self.assertEqual(server.client.get("/health/ready").status, 200, name)
                for place in ("out", "copy"):
                    shutil.rmtree(self.path(place), ignore_errors=True)
        server.kill()
        for w in writers:
            w.join(60)
            self.assertEqual(w.problems, [])
            self.assertGreater(len(w.keyed), 0)
        self.assert_checked(store)
        with harness.Server(store) as again:
            self.assert_kept(again.client, writers)

    def killed_at(self, command, moment):
        """Runs the command and kills it after `moment` seconds; returns False if it had already ended."""
        child = subprocess.Popen([harness.STAIR, *map(str, command)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=harness.ENVIRONMENT)
        try:
            child.wait(moment)
            return False
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return True

    def test_a_killed_import_leaves_the_store_as_it_was(self):
        files, store = self.shop_store()
        before = harness.export(store, "items")
        more = self.path("more.jsonl")
        with open(more, "w", encoding="utf-8") as f:
            for n in range(60000):
                f.write('{"id":"more-%d","title":"More %d","categories":["c%d"]}\n' % (n, n, n % 50))
        command = ["import", "--store", store, "--merge", "--items", more]
        started = time.monotonic()
        shutil.copytree(store, self.path("measure"))
        harness.run("import", "--store", self.path("measure"), "--merge", "--items", more)
        whole = time.monotonic() - started
        killed = 0
        for part in (0.1, 0.3, 0.5, 0.7, 0.85, 0.95):
            if self.killed_at(command, whole * part):
                killed += 1
                self.assert_checked(store)
                after = harness.export(store, "items")
                if after != before:  # the kill came after the rename: everything is there
                    self.assertEqual(len(after.splitlines()), len(before.splitlines()) + 60000)
                    break
            else:
                break
        self.assertGreater(killed, 1)
        del files

    def test_a_killed_training_leaves_the_generation_before_it_serving(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store) as server:
            before = server.client.get("/recommend", {"user": user}).json
        copy = self.path("measure")
        shutil.copytree(store, copy)
        command = ["train", "--epochs", 15, "--dim", 32, "--activate", "yes", "--store"]
        started = time.monotonic()
        harness.run(*command, copy)
        whole = time.monotonic() - started
        killed = 0
        for part in (0.05, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98):
            if not self.killed_at(command + [store], whole * part):
                break
            killed += 1
            self.assert_checked(store)
            with harness.Server(store) as server:
                answer = server.client.get("/recommend", {"user": user}).json
                if answer["model"] != before["model"]:
                    break  # the kill came after the activation
                self.assertEqual(answer["items"], before["items"])
        self.assertGreater(killed, 1)


if __name__ == "__main__":
    harness.main()
