# SPDX-License-Identifier: Apache-2.0
"""Damaged stores: the check reports, the service refuses with a message or serves, and neither crashes.

DAMAGE_ROUNDS sets the number of stores.
"""

import os
import random
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

ROUNDS = int(os.environ.get("DAMAGE_ROUNDS", "60"))
PAGE = 4096


def damage(path, rng):
    """Damages a file as a disk or a broken copy would; returns what it did."""
    size = os.path.getsize(path)
    pages = size // PAGE
    page = rng.choice([0, 1, rng.randrange(pages), rng.randrange(pages), rng.randrange(pages)])
    kind = rng.choice(["bit", "byte", "zeroes", "noise", "header", "moved", "short"])
    with open(path, "r+b") as f:
        if kind == "short":
            f.truncate(rng.randrange(1, size))
            return f"cut at {os.path.getsize(path)}"
        at = page * PAGE + (rng.randrange(24) if kind == "header" else rng.randrange(PAGE))
        f.seek(at if kind in ("bit", "byte", "header") else page * PAGE)
        if kind == "bit":
            old = f.read(1)[0]
            f.seek(at)
            f.write(bytes([old ^ 1 << rng.randrange(8)]))
        elif kind in ("byte", "header"):
            f.write(bytes([rng.randrange(256)]))
        elif kind == "zeroes":
            f.write(bytes(PAGE))
        elif kind == "noise":
            f.write(rng.randbytes(PAGE))
        else:
            other = rng.randrange(pages)
            f.seek(other * PAGE)
            content = f.read(PAGE)
            f.seek(page * PAGE)
            f.write(content)
    return f"{kind} in page {page} at {at}"


def flip_in_record(path, rng):
    """Flips a bit in a page of small records. Most pages of a store are tables, which repair cannot restore."""
    with open(path, "r+b") as f:
        data = f.read()
        leaves = [at for at in range(2 * PAGE, len(data), PAGE) if data[at + 10:at + 12] in (b"\2\0", b"\x22\0")]
        at = rng.choice(leaves) + rng.randrange(16, PAGE)
        f.seek(at)
        f.write(bytes([data[at] ^ 1 << rng.randrange(8)]))
    return f"a bit at {at}"


class Damage(harness.TestCase):
    def survives(self, store, what):
        done = harness.run("check", "--store", store, check=False, timeout=60)
        self.assertIn(done.returncode, (0, 1), f"check, {what}: {done.stderr}")
        if done.returncode == 1:
            self.assertIn("stair check: ", done.stderr, what)
        return done

    def serves_or_refuses(self, store, what, users):
        try:
            server = harness.Server(store)
        except AssertionError as refused:
            self.assertIn("stair serve: ", str(refused), what)
            return False
        ask = server.client
        for user in users:
            ask.get("/recommend", {"user": user}, contract_check=False)
        ask.post("/interactions", {"interactions": [{"user": users[0], "item": "new"}]}, contract_check=False)
        ask.put("/items/new", {"title": "new"}, contract_check=False)
        status = server.stop()
        self.assertIn(status, (0, 1), f"serve, {what}: {''.join(server.log[-5:])}")
        return True

    def test_check_and_serve_survive_damaged_stores(self):
        files, good = harness.shop()
        users = list(harness.shop_users(files, 5))
        rng = random.Random(5)
        found = refused = 0
        for n in range(ROUNDS):
            store = self.path(f"store-{n}")
            shutil.copytree(good, store)
            what = f"store {n}: {damage(os.path.join(store, 'data.mdb'), rng)}"
            found += self.survives(store, what).returncode
            refused += not self.serves_or_refuses(store, what, users)
            shutil.rmtree(store)
        print(f"{ROUNDS} damaged stores: the check found {found}, the service refused {refused}")
        self.assertGreater(found, ROUNDS // 4)

    def test_a_store_that_was_repaired_is_clean_and_has_all_content_and_is_served(self):
        files, good = harness.shop()
        users = list(harness.shop_users(files, 2))
        whole = [harness.export(good, what) for what in ("items", "interactions")]
        rng = random.Random(6)
        repaired = left = 0
        for n in range(ROUNDS):
            store = self.path(f"store-{n}")
            shutil.copytree(good, store)
            what = f"store {n}: {flip_in_record(os.path.join(store, 'data.mdb'), rng)}"
            if self.survives(store, what).returncode == 1:
                done = harness.run("check", "--store", store, "--repair", check=False, timeout=60)
                self.assertIn(done.returncode, (0, 1), f"repair, {what}: {done.stderr}")
                if done.returncode == 1:
                    self.assertIn("stair check: ", done.stderr, what)
                    left += 1
                else:
                    self.assertIn("repaired: ", done.stdout, what)
                    self.assert_checked(store)
                    self.assertEqual([harness.export(store, part) for part in ("items", "interactions")], whole, what)
                    self.assertTrue(self.serves_or_refuses(store, what, users), what)
                    repaired += 1
            shutil.rmtree(store)
        print(f"MEASURED: {ROUNDS} damaged stores: {repaired} repaired, {left} left for a snapshot")
        self.assertGreater(repaired, ROUNDS // 50)

    def test_what_kills_the_check_is_told_with_the_place(self):
        _, store = self.shop_store()
        data = os.path.join(store, "data.mdb")
        os.truncate(data, os.path.getsize(data) // 2)
        for command in (["check"], ["serve", "--listen", "127.0.0.1:0"]):
            done = harness.run(*command, "--store", store, check=False, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"the store is damaged: .*(died of signal \d+|its pages take)")

    def test_an_interrupted_check_ends(self):
        _, store = self.shop_store()
        with subprocess.Popen([harness.STAIR, "check", "--store", store], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=harness.ENVIRONMENT) as check:
            check.send_signal(signal.SIGTERM)
            self.assertIn(check.wait(60), (0, 130, -15))


if __name__ == "__main__":
    harness.main()
