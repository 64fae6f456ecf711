# SPDX-License-Identifier: Apache-2.0
"""Items without given vectors: their words place them, and an item that is posted later is recommended."""

import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

KINDS = {
    "jacket": ("winter jacket", "padded coat", "rain jacket", "ski jacket", "wool coat", "down jacket"),
    "sound": ("wireless headphones", "bluetooth speaker", "studio headphones", "earbuds", "loud speaker", "headset"),
    "kitchen": ("frying pan", "cooking pot", "chef knife", "steel pan", "kitchen knife", "soup pot"),
}
WORDS_OF = {"jacket": "warm winter jacket with a hood", "sound": "wireless bluetooth headphones", "kitchen": "steel frying pan and pot"}
ITEMS_OF_KIND, USERS_OF_KIND = 24, 30


def write_shop(folder):
    """Shoppers buy within one kind; items have a title and a description, no features."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "items.jsonl"), "w", encoding="utf-8") as f:
        for kind, names in KINDS.items():
            for i in range(ITEMS_OF_KIND):
                name = names[i % len(names)]
                item = {"id": f"{kind}-{i}", "title": f"{name} no {i}", "description": f"<p>A {name}: {WORDS_OF[kind]}</p>"}
                f.write(json.dumps(item) + "\n")
    with open(os.path.join(folder, "interactions.csv"), "w", encoding="utf-8") as f:
        f.write("user,item,timestamp\n")
        dice = random.Random(1)
        for kind in KINDS:
            for u in range(USERS_OF_KIND):
                for j, i in enumerate(dice.sample(range(ITEMS_OF_KIND), 10)):
                    f.write(f"{kind}-user-{u},{kind}-{i},{1700000000 + j}\n")


def import_shop(store, folder):
    harness.run("import", "--store", store, "--interactions", os.path.join(folder, "interactions.csv"),
                "--items", os.path.join(folder, "items.jsonl"))


def train(store, *arguments):
    return harness.run_json("train", "--store", store, "--epochs", "40", "--dim", "16", "--threads", "1", "--activate", "yes",
                            *arguments)


class Words(harness.TestCase):
    def shop(self, *arguments):
        folder, store = self.path("shop"), self.path("store")
        write_shop(folder)
        import_shop(store, folder)
        train(store, *arguments)
        return store

    def listed(self, client, kind, k=10):
        return client.get("/recommend", {"user": f"{kind}-user-1", "k": k}).items

    def assert_listed(self, client, item, kind):
        """Checks that the item comes before all items of other kinds. Of their own kind, a user has 14 others left to see."""
        ranked = self.listed(client, kind, 30)
        self.assertIn(item, ranked)
        self.assertTrue(all(other.startswith(kind) or other == "new" for other in ranked[:ranked.index(item)]), ranked)
        for other in KINDS:
            if other != kind:
                self.assertNotIn(item, self.listed(client, other))

    def test_an_item_posted_by_its_title_is_recommended_and_a_new_text_moves_it(self):
        store = self.shop()
        with harness.Server(store) as server:
            client = server.new_client()
            answer = client.post("/items", {"id": "new", "title": "warm winter coat with a hood"})
            self.assertEqual(answer.status, 201)
            embedding = answer.json["embedding"]
            self.assertEqual((embedding["from"], embedding["missing"]), (["words"], []))
            self.assertTrue(all(n["item"].startswith("jacket") for n in embedding["neighbours"]), embedding)
            self.assert_listed(client, "new", "jacket")
            client.patch("/items/new", {"title": None, "description": "bluetooth headphones, wireless"})
            self.assert_listed(client, "new", "sound")
            client.put("/items/new", {"title": "frying pan of steel"})
            self.assert_listed(client, "new", "kitchen")
            client.patch("/items/new", {"hidden": True})
            self.assertNotIn("new", self.listed(client, "kitchen"))
            client.patch("/items/new", {"hidden": False})
            self.assert_listed(client, "new", "kitchen")
        with harness.Server(store) as server:
            client = server.new_client()
            self.assert_listed(client, "new", "kitchen")
            client.patch("/items/new", {"title": "", "description": None})
            self.assertNotIn("new", self.listed(client, "kitchen"))
            answer = client.post("/items", {"id": "none", "title": "zzz"})
            self.assertEqual(answer.json["embedding"]["from"], [])
            self.assertEqual(answer.json["embedding"]["missing"], ["words"])
            client.patch("/items/new", {"title": "frying pan of steel"})
            self.assert_listed(client, "new", "kitchen")
            self.assertEqual(client.delete("/items/new").status, 200)
            self.assertNotIn("new", self.listed(client, "kitchen"))
            self.assertNotIn("new", client.get("/similar", {"text": "frying pan of steel", "k": 80}).items)
            server.kill()
        self.assert_checked(store)

    def test_an_acknowledged_item_is_recommended_after_a_kill_an_activation_and_an_export(self):
        store, copy = self.shop(), self.path("copy")
        with harness.Server(store) as server:
            client = server.new_client()
            self.assertEqual(client.post("/items", {"id": "new", "description": "padded winter jacket"}).status, 201)
            server.kill()
        with harness.Server(store) as server:
            client = server.new_client()
            self.assert_listed(client, "new", "jacket")
            generation = train(store)["generation"]
            client.post("/model/activate", {"generation": generation})
            self.assertEqual(client.get("/model").json["model"], generation)
            self.assert_listed(client, "new", "jacket")
        harness.run("export", "--store", store, "--to", self.path("export"))
        harness.run("import", "--store", copy, "--interactions", self.path("export", "interactions.jsonl"),
                    "--items", self.path("export", "items.jsonl"))
        train(copy)
        with harness.Server(copy) as server:
            self.assert_listed(server.new_client(), "new", "jacket")

    def test_words_come_with_the_next_training_and_a_generation_without_serves_as_it_was(self):
        store = self.shop("--words", "no")
        with harness.Server(store) as server:
            client = server.new_client()
            before = self.listed(client, "jacket")
            answer = client.post("/items", {"id": "new", "title": "winter jacket"})
            self.assertEqual((answer.json["embedding"]["from"], answer.json["embedding"]["missing"]), ([], []))
            client.patch("/items/new", {"description": "a padded coat"})
            self.assertEqual(self.listed(client, "jacket"), before)
            generation = train(store)["generation"]
            client.post("/model/activate", {"generation": generation})
            self.assertEqual(client.post("/items", {"id": "next", "title": "winter coat"}).json["embedding"]["from"], ["words"])
            self.assert_listed(client, "next", "jacket")

    def test_before_the_first_generation_the_item_is_stored_and_the_answer_says_so(self):
        with harness.Server(self.path("empty")) as server:
            client = server.new_client()
            answer = client.post("/items", {"id": "first", "title": "winter jacket"})
            self.assertEqual(answer.status, 201)
            self.assertIsNone(answer.json["model"])
            self.assertEqual(answer.json["embedding"]["from"], [])
            self.assertEqual(client.get("/items/first").json["title"], "winter jacket")

    def test_a_text_asks_as_an_item_of_that_title_would(self):
        with harness.Server(self.shop()) as server:
            client = server.new_client()
            text = "warm winter jacket"
            near = client.get("/similar", {"text": text, "k": 50}).json
            client.post("/items", {"id": "posted", "title": text})
            as_item = client.get("/similar", {"item": "posted", "k": 50}).json
            self.assertGreater(near["known_words"], 3)
            self.assertEqual(near["items"], as_item["items"])
            self.assertTrue(near["items"][0]["item"].startswith("jacket"))
            client.delete("/items/posted")
            asked = client.post("/recommend", {"text": text, "k": 20, "explain": True}).json
            self.assertIsNone(asked["fallback"])
            self.assertTrue(all(hit["item"].startswith("jacket") for hit in asked["items"][:4]), asked)
            for hit in asked["items"]:
                self.assertAlmostEqual(hit["score"], hit["explain"]["collaborative"] + hit["explain"]["multimodal"], places=4)
            mixed = client.post("/recommend", {"user": "sound-user-1", "text": text, "k": 20}).items
            self.assertTrue(any(i.startswith("jacket") for i in mixed[:10]) and any(i.startswith("sound") for i in mixed[:10]), mixed)
            session = client.post("/recommend", {"items": [{"item": "kitchen-1"}], "text": text, "k": 20}).items
            self.assertTrue(any(i.startswith("jacket") for i in session[:10]) and any(i.startswith("kitchen") for i in session[:10]), session)

    def test_a_text_keeps_filters_and_diversity(self):
        with harness.Server(self.shop()) as server:
            client = server.new_client()
            for i in range(6):
                client.patch(f"/items/jacket-{i}", {"categories": ["sale"]})
            whole = client.post("/recommend", {"text": "rain coat", "k": 72}).items
            sale = client.post("/recommend", {"text": "rain coat", "k": 6, "filter": {"categories_any": ["sale"]}}).items
            self.assertEqual(sale, [i for i in whole if i in {f"jacket-{n}" for n in range(6)}])
            near = client.get("/similar", {"text": "rain coat", "k": 72}).items
            self.assertEqual(client.get("/similar", {"text": "rain coat", "k": 6, "category": "sale"}).items,
                             [i for i in near if i in {f"jacket-{n}" for n in range(6)}])
            diverse = client.post("/recommend", {"text": "rain coat", "k": 10, "diversity": 0.9}).items
            self.assertEqual(len(set(diverse)), 10)
            self.assertEqual(diverse[0], whole[0])
            self.assertNotEqual(diverse, whole[:10])

    def test_a_text_of_unknown_words_is_answered_as_somebody_unknown(self):
        with harness.Server(self.shop()) as server:
            client = server.new_client()
            popular = client.get("/popular", {"k": 5}).items
            for answer in (client.post("/recommend", {"text": "zzz qqq", "k": 5}), client.get("/similar", {"text": "zzz qqq", "k": 5}),
                           client.post("/recommend", {"text": "<br>", "k": 5}), client.get("/similar", {"text": "<br>", "k": 5})):
                self.assertEqual((answer.status, answer.json["fallback"], answer.json["known_words"]), (200, "unknown_user", 0))
                self.assertEqual(answer.items, popular)
            user = client.get("/recommend", {"user": "sound-user-1"}).items
            self.assertEqual(client.post("/recommend", {"user": "sound-user-1", "text": "zzz"}).items, user)
            self.assert_problem(client.get("/similar", {"text": "a", "item": "jacket-1"}), 400)
            self.assert_problem(client.get("/similar"), 400)
            self.assert_problem(client.get("/similar", {"text": ""}), 400)
            self.assert_problem(client.post("/recommend", {"text": ""}), 400, pointer="/text")

    def test_features_cannot_take_the_name_of_the_words(self):
        with harness.Server(self.path("empty")) as server:
            answer = server.new_client().post("/items", {"id": "a", "features": {"words": [1, 2]}})
            self.assert_problem(answer, 400, pointer="/features/words")


if __name__ == "__main__":
    harness.main()
