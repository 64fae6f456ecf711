# SPDX-License-Identifier: Apache-2.0
"""Training, `stair eval`, its baselines and the service agree on the figures of small random stores."""

import json
import math
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402
import online  # noqa: E402

K = 20


class Store:
    """A random store, and what its export says about it."""

    def __init__(self, test, seed):
        self.path, random_ = test.path(f"store-{seed}"), random.Random(seed)
        items, users = random_.randint(30, 80), random_.randint(40, 90)
        with open(test.path("items.jsonl"), "w", encoding="utf-8") as f:
            for i in random_.sample(range(items), items):
                print(json.dumps({"id": f"i{i}", "created": f"2024-01-0{random_.randint(1, 3)}T00:00:00Z"}), file=f)
        with open(test.path("x.csv"), "w", encoding="utf-8") as f:
            print("user,item,timestamp", file=f)
            for user in range(users):
                begins = random_.randint(0, 900)  # in a split by time, many users have no history
                for item in random_.sample(range(items), random_.randint(1, 9)):
                    print(f"u{user},i{min(item, random_.randrange(items))},{begins + random_.randint(0, 99)}", file=f)
        harness.run("import", "--store", self.path, "--items", test.path("items.jsonl"), "--interactions",
                    test.path("x.csv"), "--split", ("time", "random")[seed % 2])
        with harness.Server(self.path) as server:
            hidden = [{"id": f"i{i}", "hidden": True} for i in random_.sample(range(items), items // 3)]
            test.assertEqual(server.client.patch("/items", {"items": hidden}).status, 200)
            gone = {"ids": [f"i{i}" for i in random_.sample(range(items), 3)]}
            test.assertEqual(server.client.post("/items/delete", gone).status, 200)
        self.read()

    def read(self):
        self.items = [json.loads(line) for line in harness.export(self.path, "items").splitlines()]
        alive = {item["id"] for item in self.items}
        self.hidden = {item["id"] for item in self.items if item.get("hidden")}
        self.splits = {"train": {}, "valid": {}, "test": {}}
        for line in harness.export(self.path, "interactions").splitlines():
            entry = json.loads(line)
            if entry["item"] in alive:
                self.splits[entry.get("split", "train")].setdefault(entry["user"], set()).add(entry["item"])

    def popular(self):
        """The popular list by training interactions. The export lists items in the order of their rows."""
        users = {item["id"]: 0 for item in self.items}
        for mine in self.splits["train"].values():
            for item in mine:
                users[item] += 1
        rows = {item["id"]: row for row, item in enumerate(self.items)}
        created = {item["id"]: item["created"] for item in self.items}
        taken = sorted((i for i in users if users[i] > 0), key=lambda i: (-users[i], rows[i]))
        others = sorted((i for i in users if users[i] == 0), key=lambda i: (created[i], rows[i]), reverse=True)
        return [i for i in taken + others if i not in self.hidden]

    def figures(self, lists):
        """Recall and NDCG of {user: list}, by their definitions."""
        recall, ndcg = 0, 0
        for user, held in self.splits["test"].items():
            hits = [place for place, item in enumerate(lists[user][:K]) if item in held]
            recall += len(hits) / len(held)
            ndcg += sum(1 / math.log2(p + 2) for p in hits) / sum(
                1 / math.log2(p + 2) for p in range(min(K, len(held))))
        return recall / len(self.splits["test"]), ndcg / len(self.splits["test"])

    def masked(self, user):
        return self.splits["train"].get(user, set()) | self.splits["valid"].get(user, set())


class Judgement(harness.TestCase):
    def check_figures(self, store, found, lists):
        for name, told in (("stair", lists), ("popular", {u: [i for i in store.popular() if i not in store.masked(u)]
                                                          for u in store.splits["test"]})):
            recall, ndcg = store.figures(told)
            self.assertAlmostEqual(found[name][f"Recall@{K}"], recall, 9, name)
            self.assertAlmostEqual(found[name][f"NDCG@{K}"], ndcg, 9, name)

    def test_training_eval_and_the_definitions_give_the_same_figures(self):
        for seed in range(6):
            store = Store(self, seed)
            trained = harness.run_json("train", "--store", store.path, "--epochs", 6, "--dim", 8, "--batch", 32,
                                       "--eval-every", 2, "--threads", 2, "--activate", "yes")
            found = harness.run_json("eval", "--store", store.path, "--topk", self.path("lists"))
            self.assertEqual(trained["test"], found["stair"])
            valid = harness.run_json("eval", "--store", store.path, "--on", "valid")
            self.assertEqual(trained["valid"], valid["stair"])
            with open(self.path("lists"), encoding="utf-8") as f:
                lists = {line["user"]: line["items"] for line in map(json.loads, f)}
            self.assertEqual(sorted(lists), sorted(store.splits["test"]))
            strangers = 0
            for user, told in lists.items():
                self.assertFalse(set(told) & (store.hidden | store.masked(user)))
                if user not in store.splits["train"]:
                    strangers += 1
                    self.assertEqual(told, [i for i in store.popular() if i not in store.masked(user)][:K])
            self.check_figures(store, found, lists)
            held = [item for mine in store.splits["test"].values() for item in mine]
            counts = {"users": len(lists), "users_without_history": strangers, "hidden_items": len(store.hidden),
                      "held_out": len(held), "held_out_hidden": sum(item in store.hidden for item in held)}
            self.assertEqual(counts, {name: found[name] for name in counts})
            self.assertEqual(strangers, trained["users_without_history"])
            self.assertGreater(online.compare(self, store.path, K, 30), 20)

    def test_held_out_interactions_count_in_what_serves(self):
        store = Store(self, 8)
        everything = {}
        for mine in store.splits.values():
            for items in mine.values():
                for item in items:
                    everything[item] = everything.get(item, 0) + 1
        best = max((count, item) for item, count in everything.items() if item not in store.hidden)[0]
        harness.run("train", "--store", store.path, "--epochs", 2, "--dim", 8, "--activate", "yes")
        with harness.Server(store.path) as server:
            self.assertEqual(server.client.get("/popular", {"k": 1}).json["items"][0]["score"], best)
            user, held = next(iter(store.splits["test"].items()))
            answer = server.client.get("/recommend", {"user": user, "k": 50})
            self.assertFalse(held & set(answer.items))
            before = server.client.get("/recommend", {"user": user, "k": 5, "include_seen": "true"}).json["items"]
            again = [{"user": user, "item": item, "timestamp": 1} for item in held]
            self.assertEqual(server.client.post("/interactions", {"interactions": again}).status, 200)
            self.assertEqual(server.client.get("/popular", {"k": 1}).json["items"][0]["score"], best)
            after = server.client.get("/recommend", {"user": user, "k": 5, "include_seen": "true"}).json["items"]
            self.assertEqual([h["item"] for h in before], [h["item"] for h in after])
        store.read()
        self.assertNotIn(user, store.splits["test"])  # a repeat makes them ordinary ones
        self.assertTrue(held <= store.splits["train"][user])

    def test_a_judgement_does_not_see_what_is_held_out(self):
        """A user's figures do not change with the held-out interactions of other users in the store."""
        store = Store(self, 9)
        harness.run("train", "--store", store.path, "--epochs", 4, "--dim", 8, "--activate", "yes")
        before = harness.run_json("eval", "--store", store.path, "--topk", self.path("before"))
        dropped, kept = list(store.splits["test"])[0], list(store.splits["test"])[1]
        with harness.Server(store.path) as server:
            for item in store.splits["test"][dropped]:
                self.assertEqual(server.client.delete(f"/interactions?user={dropped}&item={item}").status, 200)
        after = harness.run_json("eval", "--store", store.path, "--topk", self.path("after"))
        self.assertEqual(after["users"], before["users"] - 1)
        told = []
        for name in ("before", "after"):
            with open(self.path(name), encoding="utf-8") as f:
                told.append({line["user"]: line for line in map(json.loads, f)})
        self.assertEqual(told[0][kept], told[1][kept])
        del told[0][dropped]
        self.assertEqual(told[0], told[1])

    def test_every_baseline_is_measured_on_request_and_one_that_is_ahead_is_named(self):
        _, store = self.shop_store()
        names = ["popular", "itemknn", "content", "itemknn+content", "ease"]
        done = harness.run("eval", "--store", store, "--json", "--baselines", ",".join(names[2:]))
        found = json.loads(done.stdout)
        for name in names:
            self.assertGreater(found[name]["Recall@20"], 0.01, name)
        self.assertRegex(done.stderr, r"ease: its weights take \d+ MiB")
        best = max(names, key=lambda name: found[name]["NDCG@20"])
        if found[best]["NDCG@20"] > found["stair"]["NDCG@20"]:
            self.assertIn(f"{best} is ahead of generation 1 by NDCG@20", done.stderr)
        bad = harness.run("eval", "--store", store, "--baselines", "itemknn,magic", check=False)
        self.assertEqual(bad.returncode, 2)
        self.assertIn('"magic"', bad.stderr)
        poor = harness.run("train", "--store", store, "--epochs", 1, "--eval-every", 1, "--lr", 1e-9, "--without", "mi",
                           "--without", "links", "--json", "--activate", "no")
        self.assertIn(json.loads(poor.stdout)["baseline_ahead"], ("popular", "itemknn"))
        self.assertRegex(poor.stderr, r"(popular|itemknn) is ahead of this model by NDCG@20, .*train longer")

    def test_the_next_item_is_asked_for_with_all_that_came_before_it(self):
        """If one item always follows another in the data, it is found for a user who has the other."""
        with open(self.path("x.csv"), "w", encoding="utf-8") as f:
            print("user,item,timestamp,split", file=f)
            for user in range(120):
                for at in range(3):
                    print(f"u{user},i{(user * 7 + at * 5) % 40},{at},0", file=f)
                key = user % 12
                # Only training interactions of the last users show which items go with the key items.
                print(f"u{user},key{key},10,{0 if user >= 60 else 1}", file=f)
                print(f"u{user},lock{key},11,{0 if user >= 60 else 2}", file=f)
        store = self.path("store")
        harness.run("import", "--store", store, "--interactions", self.path("x.csv"))
        harness.run("train", "--store", store, "--epochs", 20, "--dim", 16, "--activate", "yes")
        by = {p: harness.run_json("eval", "--store", store, "--protocol", p) for p in ("stair", "next")}
        self.assertEqual((by["next"]["protocol"], by["next"]["mask"], by["next"]["users"]), ("next", "history", 60))
        for name in ("stair", "itemknn"):
            self.assertGreater(by["next"][name]["Recall@20"], by["stair"][name]["Recall@20"], name)

    def test_given_items_are_asked_for_in_place_of_users(self):
        with open(self.path("x.csv"), "w", encoding="utf-8") as f:
            print("user,item,split", file=f)
            for user in range(120):
                # The first 60 users show which items belong to a set. The sets of the other users are held out.
                mine, other = user % 12, (user * 7 + 3) % 12
                for part in range(3):
                    print(f"u{user},set{mine}-{part},{0 if user < 60 else 1 + (part > 0)}", file=f)
                print(f"u{user},alone{other},0", file=f)
        store = self.path("store")
        harness.run("import", "--store", store, "--interactions", self.path("x.csv"))
        harness.run("train", "--store", store, "--epochs", 20, "--dim", 16, "--activate", "yes")
        one, two = (harness.run_json("eval", "--store", store, "--given", n, "--at", 2) for n in (1, 2))
        for answer, given in ((one, 1), (two, 2)):
            self.assertEqual((answer["protocol"], answer["given"], answer["users"]), ("given", given, 60))
            self.assertEqual((answer["on"], answer["mask"]), ("valid+test", "train+given"))
            self.assertEqual(answer["held_out"], 60 * (3 - given))
            for name in ("stair", "itemknn"):
                self.assertGreater(answer[name]["Recall@2"], 0.9, name)
            self.assertLess(answer["popular"]["Recall@2"], 0.3)
        self.assertGreater(one["similar"]["Recall@2"], 0.9)
        self.assertNotIn("similar", two)
        for extra in (["--protocol", "next"], ["--served", "--topk", self.path("y")], ["--baselines", "ease"]):
            done = harness.run("eval", "--store", store, "--given", 1, *extra, check=False)
            self.assertEqual(done.returncode, 2, extra)
            self.assertIn("--given", done.stderr)

    def test_served_lists_have_no_figures(self):
        _, store = self.shop_store()
        for extra in ([], ["--topk", self.path("x"), "--json"]):
            done = harness.run("eval", "--store", store, "--served", *extra, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--topk", done.stderr)


if __name__ == "__main__":
    harness.main()
