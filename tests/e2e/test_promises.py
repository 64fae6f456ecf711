# SPDX-License-Identifier: Apache-2.0
"""Sends thousands of random calls, with restarts, and compares the service with a model of docs/http.md's promises.

The model is in memory. It knows items, users and interactions, but not how the service stores them. Statuses
and seq are compared after every write, reads after every few writes, and everything after each restart. Every
other restart is by kill -9. PROMISES_SEED sets the random seed, PROMISES_CALLS the number of calls.
"""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SEED = int(os.environ.get("PROMISES_SEED", "1"))
CALLS = int(os.environ.get("PROMISES_CALLS", "2000"))
TYPES = ("purchase", "cart", "view", "dismiss")
SEEN = {"purchase", "dismiss"}
# Ids that need escaping in a path, a query or a JSON string.
IDS = [f"p{n}" for n in range(20)] + ["a/b", "50%", "ü", "q\"uote", "sp ace", "+", "a\\b", "..", "#1", "?x=y"]
USERS = [f"c{n}" for n in range(8)] + ["u/1", "naïve", "\"", " "]


class World:
    """The expected state of the shop."""

    def __init__(self, files):
        self.items, self.users, self.seq = {}, {}, None  # id -> document; user -> {(item, type)}
        self.before = {}  # user -> {(item, type)} from before the item was deleted
        for line in open(os.path.join(files, "items.jsonl"), encoding="utf-8"):
            it = harness.json.loads(line)
            self.items[it["id"]] = {"hidden": False, "title": it.get("title"),
                                    "categories": it.get("categories", []), "attributes": it.get("attributes", {})}
        for user, had in harness.shop_users(files, 10**9).items():
            self.users[user] = {(item, "purchase") for item in had}

    def put(self, ident, body, patch):
        now = dict(self.items[ident]) if patch else {"hidden": False, "title": None, "categories": [], "attributes": {}}
        for key, value in body.items():
            if key == "attributes" and patch and value is not None:
                merged = {**now["attributes"], **value}
                now["attributes"] = {k: v for k, v in merged.items() if v is not None}
            elif key in ("categories", "attributes"):
                now[key] = value or type(now[key])()
            elif key == "hidden":
                now[key] = bool(value)
            elif key == "title":
                now[key] = value
        self.items[ident] = now

    def delete(self, ident):
        del self.items[ident]
        for user, had in self.users.items():
            gone = {(item, kind) for item, kind in had if item == ident}
            had -= gone
            self.before.setdefault(user, set()).update(gone)

    def taken(self, user):
        """The user's items, including items that were deleted and created again."""
        return self.users.get(user, set()) | {pair for pair in self.before.get(user, ()) if pair[0] in self.items}

    def seen(self, user):
        return {item for item, kind in self.taken(user) if kind in SEEN}

    def shown(self):
        return {ident for ident, it in self.items.items() if not it["hidden"]}


class Promises(harness.TestCase):
    def write(self, accepted):
        """The seq that the next write must get, if any entry is accepted."""
        self.world.seq += bool(accepted)
        return self.world.seq

    def document(self):
        rng, body = self.rng, {}
        if rng.random() < 0.6:
            body["title"] = f"title {rng.randrange(100)}"
        if rng.random() < 0.3:
            body["hidden"] = rng.random() < 0.5
        if rng.random() < 0.3:
            body["categories"] = rng.sample(["ca", "cb", "cc"], rng.randrange(3))
        if rng.random() < 0.4:
            body["attributes"] = {"price": rng.randrange(50), "sale": rng.random() < 0.5}
        if rng.random() < 0.3:
            body["features"] = {"text": [rng.random() for _ in range(24)]}
        return body

    def patch_document(self):
        body = self.document()
        if self.rng.random() < 0.3:
            body["title"] = None
        if self.rng.random() < 0.3 and "attributes" in body:
            body["attributes"]["price"] = None
        return body

    def some_item(self):
        return self.rng.choice(IDS if self.rng.random() < 0.8 else list(self.world.items))

    def some_user(self):
        return self.rng.choice(USERS if self.rng.random() < 0.8 else [f"user-{self.rng.randrange(400)}"])

    def check_batch(self, answer, wanted):
        """A batch: 200 with each entry's status, or the status that all refusals share."""
        seq = self.write(any(status < 400 for status in wanted))
        if all(status >= 400 for status in wanted):
            self.assertEqual(answer.status, wanted[0] if len(set(wanted)) == 1 else 400, answer.body)
            return
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual([r["status"] for r in answer.json["results"]], wanted)
        self.assertEqual(answer.json["accepted"], sum(status < 400 for status in wanted))
        self.assertEqual(answer.json["seq"], seq)

    def items_call(self, ask):
        method = self.rng.choice(("POST", "PUT", "PATCH", "DELETE"))
        world, entries, wanted = self.world, [], []
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            ident = self.some_item()
            body = {} if method == "DELETE" else self.patch_document() if method == "PATCH" else self.document()
            entries.append({"id": ident, **body})
            known = ident in world.items
            if method == "POST":
                wanted.append(409 if known else 201)
            elif method == "PUT":
                wanted.append(200 if known else 201)
            else:
                wanted.append(200 if known else 404)
            if wanted[-1] < 400:
                world.delete(ident) if method == "DELETE" else world.put(ident, body, method == "PATCH")
        if len(entries) == 1 and self.rng.random() < 0.7:
            ident = entries[0]["id"]
            path = "/items/" + harness.urllib.parse.quote(ident, safe="")
            if method == "POST":
                answer = ask.post("/items", entries[0])
            else:
                body = {k: v for k, v in entries[0].items() if k != "id"}
                answer = ask.ask(method, path, None if method == "DELETE" else body)
            self.assertEqual(answer.status, wanted[0], answer.body)
            seq = self.write(wanted[0] < 400)
            if wanted[0] < 400:
                self.assertEqual(answer.json["seq"], seq)
        elif method == "DELETE":
            self.check_batch(ask.post("/items/delete", {"ids": [e["id"] for e in entries]}), wanted)
        else:
            self.check_batch(ask.ask(method, "/items", {"items": entries}), wanted)

    def interactions_call(self, ask):
        world, entries, wanted = self.world, [], []
        create = self.rng.random() < 0.2
        for _ in range(self.rng.choice((1, 2, 3, 8))):
            user, item, kind = self.some_user(), self.some_item(), self.rng.choice(TYPES)
            entries.append({"user": user, "item": item, "type": kind})
            if item not in world.items and not create:
                wanted.append(404)
                continue
            wanted.append(200 if (item, kind) in world.users.get(user, ()) else 201)
            if item not in world.items:
                world.put(item, {"hidden": True}, False)
            world.users.setdefault(user, set()).add((item, kind))
        self.check_batch(ask.post("/interactions", {"interactions": entries,
                                                    "unknown_items": "create" if create else "refuse"}), wanted)

    def remove_call(self, ask):
        user, item = self.some_user(), self.some_item()
        kind = self.rng.choice(TYPES + (None,) * 3)
        had, before = self.world.users.get(user, set()), self.world.before.get(user, set())
        gone = {(i, k) for i, k in self.world.taken(user) if i == item and kind in (None, k)}
        both = len(gone & had) + len(gone & before)
        query = {"user": user, "item": item, **({"type": kind} if kind else {})}
        answer = ask.ask("DELETE", "/interactions?" + harness.urllib.parse.urlencode(query))
        self.assertEqual(answer.status, 200 if gone else 404, answer.body)
        self.write(gone)
        if gone:
            self.assertEqual(answer.json["removed"], both)
            had -= gone
            before -= gone

    def erase_call(self, ask):
        user = self.some_user()
        answer = ask.delete("/users/" + harness.urllib.parse.quote(user, safe=""))
        self.assertEqual(answer.status, 200 if user in self.world.users else 404, answer.body)
        self.write(user in self.world.users)
        self.world.users.pop(user, None)
        self.world.before.pop(user, None)

    # --- reading

    def check_item(self, ask, ident):
        answer = ask.get("/items/" + harness.urllib.parse.quote(ident, safe=""))
        it = self.world.items.get(ident)
        self.assertEqual(answer.status, 200 if it else 404, ident)
        if it:
            got = answer.json
            self.assertEqual((got["id"], got["hidden"]), (ident, it["hidden"]))
            self.assertEqual(got.get("title") or None, it["title"] or None)
            self.assertEqual(got.get("categories", []), it["categories"])
            self.assertEqual(got.get("attributes", {}), it["attributes"])

    def check_user(self, ask, user):
        path = "/users/" + harness.urllib.parse.quote(user, safe="")
        had = self.world.users.get(user)
        answer = ask.get(path + "/interactions", {"limit": 1000})
        self.assertEqual(answer.status, 404 if had is None else 200)
        if had is not None:
            listed = [(entry["item"], entry["type"]) for entry in answer.json["interactions"]]
            self.assertEqual(sorted(listed), sorted(self.world.taken(user)))
        found = ask.get("/recommend", {"user": user, "k": 1000})
        self.assertEqual(found.status, 200)
        self.assertEqual(found.json["seq"], self.world.seq)
        listed = set(found.items)
        self.assertEqual(len(listed), len(found.items), "an item is listed twice")
        self.assertFalse(listed - self.world.shown(), "hidden or deleted items")
        self.assertFalse(listed & self.world.seen(user), "seen items")
        if had is None:
            self.assertEqual(found.json["fallback"], "unknown_user")
        elif not had:
            self.assertEqual(found.json["fallback"], "new_user")

    def check_lists(self, ask):
        shown = self.world.shown()
        self.assertEqual(set(ask.get("/latest", {"k": 1000}).items), shown)
        self.assertFalse(set(ask.get("/popular", {"k": 1000}).items) - shown)
        category = self.rng.choice(["ca", "cb", "cc"])
        wanted = {ident for ident in shown if category in self.world.items[ident]["categories"]}
        self.assertEqual(set(ask.get("/latest", {"k": 1000, "category": category}).items), wanted)

    def check_all(self, server):
        ask = server.client
        for ident in set(IDS) | set(self.rng.sample(sorted(self.world.items), 20)):
            self.check_item(ask, ident)
        for user in USERS + [f"user-{n}" for n in range(0, 400, 40)]:
            self.check_user(ask, user)
        self.check_lists(ask)

    def test_random_calls_with_restarts_agree_with_the_model(self):
        files, store = self.shop_store()
        self.rng = rng = random.Random(SEED)
        self.world = World(files)
        done, turn = 0, 0
        calls = (self.items_call,) * 5 + (self.interactions_call,) * 5 + (self.remove_call,) * 2 + (self.erase_call,)
        while done < CALLS:
            turn += 1
            with harness.Server(store) as server:
                seq = server.client.get("/model").json["seq"]
                self.assertIn(self.world.seq, (None, seq))
                self.world.seq = seq
                self.check_all(server)
                for _ in range(CALLS // 6 + 1):
                    rng.choice(calls)(server.client)
                    done += 1
                    if done % 10 == 0:
                        self.check_item(server.client, rng.choice(IDS))
                        self.check_user(server.client, self.some_user())
                    if done % 50 == 0:
                        self.check_lists(server.client)
                self.check_all(server)
                server.kill() if turn % 2 else self.assertEqual(server.stop(), 0)
            self.assert_checked(store)


if __name__ == "__main__":
    harness.main()
