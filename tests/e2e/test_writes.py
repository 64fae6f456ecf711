# SPDX-License-Identifier: Apache-2.0
"""An acknowledged write is in the next answer."""

import os
import random
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Writes(harness.TestCase):
    def features_of(self, server, item):
        document = server.client.get("/items/" + item, {"fields": "title,categories,attributes,features"})
        return document.json

    def test_a_new_item_is_in_the_next_answer_and_a_bought_one_is_not(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store) as server:
            ask = server.client
            before = ask.get("/recommend", {"user": user, "k": 5}).json
            made = ask.post("/items", {"id": "brand new", "title": "Brand new", "categories": ["only-this"],
                                       "features": {"text": [0.1] * 24, "image": [0.2] * 32}})
            self.assertEqual(made.status, 201, made.body)
            self.assertEqual(made.json["seq"], before["seq"] + 1)
            self.assertEqual(sorted(made.json["embedding"]["from"]), ["image", "text"])
            found = ask.get("/recommend", {"user": user, "category": "only-this", "k": 3})
            self.assertEqual(found.items[0], "brand new")
            self.assertGreaterEqual(found.json["seq"], made.json["seq"])
            bought = ask.post("/interactions", {"interactions": [{"user": user, "item": before["items"][0]["item"]}]})
            self.assertIn(bought.status, (200, 201), bought.body)
            after = ask.get("/recommend", {"user": user, "k": 5}).json
            self.assertNotIn(before["items"][0]["item"], [hit["item"] for hit in after["items"]])
            self.assertNotEqual([h["score"] for h in before["items"][1:4]], [h["score"] for h in after["items"][:3]])

    def test_hidden_and_deleted_items_appear_nowhere(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store) as server:
            ask = server.client
            first, second = ask.get("/recommend", {"user": user, "k": 2}).items
            self.assertEqual(ask.patch("/items/" + first, {"hidden": True}).status, 200)
            self.assertEqual(ask.delete("/items/" + second).status, 200)
            for answer in (ask.get("/recommend", {"user": user, "k": 1000, "include_seen": "true"}),
                           ask.get("/popular", {"k": 1000}), ask.get("/latest", {"k": 1000}),
                           ask.get("/similar", {"item": ask.get("/popular").items[0], "k": 1000})):
                self.assertEqual(answer.status, 200)
                self.assertFalse({first, second} & set(answer.items))
            self.assert_problem(ask.get("/items/" + second), 404)
            self.assertEqual(ask.patch("/items/" + first, {"hidden": False}).status, 200)
            self.assertIn(first, ask.get("/recommend", {"user": user, "k": 5}).items)
        with harness.Server(store) as server:
            self.assertNotIn(second, server.client.get("/popular", {"k": 1000}).items)

    def test_a_read_with_min_seq_has_seen_that_write_or_says_that_it_has_not(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            ask = server.client
            seq = ask.put("/items/new", {"title": "New"}).json["seq"]
            user = "user-0"
            reads = (f"/recommend?user={user}", "/similar?item=new", "/popular", "/latest", "/items", "/items/new",
                     "/users", f"/users/{user}", f"/users/{user}/interactions", "/model", "/model/generations",
                     "/export/items", "/export/interactions")
            for path in reads:
                mark = "&" if "?" in path else "?"
                for target, headers, status in ((f"{path}{mark}min_seq={seq}", {}, 200),
                                                (f"{path}{mark}min_seq={seq + 1}", {}, 503),
                                                (path, {"X-Stair-Min-Seq": str(seq)}, 200),
                                                (path, {"X-Stair-Min-Seq": str(seq + 1)}, 503),
                                                (f"{path}{mark}min_seq=-1", {}, 400),
                                                (path, {"X-Stair-Min-Seq": "soon"}, 400)):
                    got = ask.ask("GET", target, headers=headers)
                    self.assertEqual(got.status, status, (target, headers, got.body))
                    if status == 503:
                        self.assertGreaterEqual(int(got.headers["Retry-After"]), 1)
            for wanted, status in ((seq, 200), (seq + 1, 503)):
                body = {"user": user, "min_seq": wanted}
                self.assertEqual(ask.post("/recommend", body).status, status)
                self.assertEqual(ask.post("/recommend/batch", {"requests": [{"user": user}], "min_seq": wanted}).status,
                                 status)
                self.assertEqual(ask.post("/recommend/batch", {"requests": [body]}).status, status)
            # Writes have no parameter min_seq.
            self.assertEqual(ask.ask("PUT", f"/items/new?min_seq={seq}", {"title": "N"}).status, 400)

    def test_an_idempotency_key_gives_the_first_answer_again_even_after_a_restart(self):
        _, store = self.shop_store()
        body = {"id": "once", "title": "Once"}
        key = {"Idempotency-Key": "order-1"}
        with harness.Server(store) as server:
            first = server.client.post("/items", body, headers=key)
            self.assertEqual(first.status, 201)
            again = server.client.post("/items", body, headers=key)
            self.assertEqual((again.status, again.body), (first.status, first.body))
            self.assert_problem(server.client.post("/items", {"id": "other"}, headers=key), 422)
            self.assert_problem(server.client.post("/items", body), 409)
        with harness.Server(store) as server:
            again = server.client.post("/items", body, headers=key)
            self.assertEqual((again.status, again.body), (first.status, first.body))

    def test_erasure_leaves_nothing_of_a_user(self):
        files, store = self.shop_store()
        user, had = next(iter(harness.shop_users(files, 1).items()))
        with harness.Server(store) as server:
            self.assertEqual(server.client.get("/users/" + user).status, 200)
            gone = server.client.delete("/users/" + user)
            self.assertEqual(gone.status, 200)
            self.assert_problem(server.client.get("/users/" + user), 404)
            self.assertEqual(server.client.get("/recommend", {"user": user}).json["fallback"], "unknown_user")
            self.assert_problem(server.client.get("/recommend", {"user": user, "strict": "true"}), 404)
        self.assertTrue(had)
        done = harness.run("check", "--store", store, "--user", user, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assert_checked(store)

    def test_what_a_known_user_did_since_training_counts_the_same_after_a_restart(self):
        files, store = self.shop_store()
        users = harness.shop_users(files, 5)
        bought = list(dict.fromkeys(item for items in users.values() for item in items))
        lists = []
        with harness.Server(store) as server:
            before = {user: server.client.get("/recommend", {"user": user, "k": 50}).json["items"] for user in users}
            for n, user in enumerate(users):
                for item in [item for item in bought if item not in users[user]][n:n + 3]:
                    server.client.post("/interactions", {"user": user, "item": item})
            lists.append({user: server.client.get("/recommend", {"user": user, "k": 50}).json["items"] for user in users})
        with harness.Server(store) as server:
            lists.append({user: server.client.get("/recommend", {"user": user, "k": 50}).json["items"] for user in users})
        self.assertEqual(lists[0], lists[1])
        for user in users:
            self.assertNotEqual(before[user], lists[0][user])

    def test_seq_grows_by_one_a_write_and_stays_over_restarts(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            start = server.client.get("/model").json["seq"]
            for n in range(5):
                self.assertEqual(server.client.put(f"/items/s{n}", {"title": f"S {n}"}).json["seq"], start + n + 1)
            self.assert_problem(server.client.post("/items", {"id": "s1"}), 409)
            self.assertEqual(server.client.get("/model").json["seq"], start + 5)
        with harness.Server(store) as server:
            self.assertEqual(server.client.get("/model").json["seq"], start + 5)

    def test_many_clients_write_at_once_and_each_sees_its_own_write(self):
        files, store = self.shop_store()
        users = list(harness.shop_users(files, 16))
        problems = []

        def shopper(server, user, seed):
            rng = random.Random(seed)
            ask = server.new_client()
            try:
                for _ in range(15):
                    item = rng.choice(ask.get("/recommend", {"user": user, "k": 10}).items)
                    wrote = ask.post("/interactions", {"interactions": [{"user": user, "item": item}]})
                    if wrote.status not in (200, 201):
                        problems.append(wrote.body)
                    after = ask.get("/recommend", {"user": user, "k": 50})
                    if item in after.items or after.json["seq"] < wrote.json["seq"]:
                        problems.append((user, item, after.json["seq"], wrote.json["seq"]))
            except Exception as problem:  # a thread's exception would be lost
                problems.append(repr(problem))
            finally:
                ask.close()

        with harness.Server(store) as server:
            threads = [threading.Thread(target=shopper, args=(server, u, n)) for n, u in enumerate(users)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertEqual(problems, [])
        self.assert_checked(store)


if __name__ == "__main__":
    harness.main()
