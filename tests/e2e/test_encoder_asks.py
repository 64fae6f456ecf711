# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for the encoder: the write of a new item, and a query by text."""

import base64
import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from test_encoder import Encoder  # noqa: E402

KINDS = {"jacket": "warm winter jacket hood", "sound": "wireless bluetooth headphones music", "kitchen": "steel frying pan cooking"}
ITEMS, USERS = 12, 12


def make_store(folder):
    """A store of three kinds, encoded and trained, so that its generation has the encoder's modality and no words."""
    items, taken, store = (os.path.join(folder, name) for name in ("items.jsonl", "taken.csv", "store"))
    dice = random.Random(1)
    with open(items, "w", encoding="utf-8") as f:
        for kind, words in KINDS.items():
            for i in range(ITEMS):
                f.write(json.dumps({"id": f"{kind}-{i}", "title": f"{words} {i}"}) + "\n")
    with open(taken, "w", encoding="utf-8") as f:
        f.write("user,item,timestamp\n")
        for kind in KINDS:
            for u in range(USERS):
                for j, i in enumerate(dice.sample(range(ITEMS), 7)):
                    f.write(f"{kind}-user-{u},{kind}-{i},{1700000000 + j}\n")
    with Encoder() as encoder:
        harness.run("import", "--store", store, "--interactions", taken, "--items", items, "--encoder-url", encoder.url,
                    "--encoder-model", "m")
    harness.run("train", "--store", store, "--epochs", "20", "--dim", "16", "--threads", "1", "--activate", "yes")
    return store


class Asks(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.made = make_store(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def served(self, encoder, *more):
        self.store = shutil.copytree(self.made, self.path("store"))
        return harness.Server(self.store, "--encoder-url", encoder.url, "--encoder-model", "m", *more)

    def settle(self, client):
        for _ in range(600):
            if client.get("/health").json["encoder"]["pending"] == 0:
                return
            time.sleep(0.02)
        raise AssertionError("still pending")

    def test_the_answer_of_a_new_item_has_the_vector_that_came_in_time(self):
        with Encoder() as encoder, self.served(encoder, "--encoder-wait", "10s") as server:
            client = server.new_client()
            item = {"id": "new", "title": "winter jacket", "attributes": {"z": "hood", "a": "warm"}}
            embedding = client.post("/items", item).json["embedding"]
            self.assertEqual(embedding["from"], ["text"])
            self.assertIn("new", client.get("/recommend", {"user": "jacket-user-1", "k": 10}).items)
            self.assertFalse(embedding.get("pending"))
            self.assertTrue(all(n["item"].startswith("jacket") for n in embedding["neighbours"][:ITEMS]), embedding)
            self.assertEqual(client.put("/items/other", {"title": "frying pan"}).json["embedding"]["from"], ["text"])
            self.settle(client)
            self.assertEqual(encoder.stats()["inputs"], ["winter jacket\nwarm\nhood", "frying pan"])
            self.assertEqual(client.post("/items", dict(item, id="given", features={"text": [1.0] * 32})).json["embedding"]["from"], ["text"])
            self.assertEqual(encoder.stats()["texts"], 2)
            server.stop()
            self.assert_checked(self.store)

    def test_after_the_wait_the_item_is_committed_and_its_vector_follows(self):
        for wait in ("100ms", "0s"):
            with self.subTest(wait=wait), Encoder() as encoder, self.served(encoder, "--encoder-wait", wait) as server:
                client = server.new_client()
                encoder.fault("slow", 2, seconds=1.5)
                embedding = client.post("/items", {"id": "new", "title": "winter jacket"}).json["embedding"]
                self.assertEqual((embedding["from"], embedding["pending"]), ([], ["text"]))
                self.settle(client)
                self.assertEqual(client.get("/similar", {"item": "new", "k": 5}).json["fallback"], None)
            shutil.rmtree(self.store)

    def test_many_waiting_writes_hold_up_no_other_request(self):
        with Encoder("--seconds", "2") as encoder, self.served(encoder, "--encoder-wait", "5s", "--threads", "1",
                                                               "--work-threads", "1") as server:
            answers = []

            def post(number):
                answers.append(server.new_client().post("/items", {"id": f"new-{number}", "title": f"jacket {number}"}).json["embedding"])

            threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            while encoder.stats()["calls"] < 4:
                time.sleep(0.01)
            client = server.new_client()
            self.assertEqual(client.get("/recommend", {"user": "sound-user-1", "k": 5}).status, 200)
            self.assertEqual(client.put("/items/plain", {"hidden": True}).status, 201)
            self.assertEqual(answers, [])
            for thread in threads:
                thread.join()
            self.assertEqual([a["from"] for a in answers], [["text"]] * 8)

    def test_a_service_that_stops_ends_the_waits(self):
        with Encoder("--seconds", "60") as encoder, self.served(encoder, "--encoder-wait", "10s", "--stop-timeout", "5s") as server:
            answers = []
            client = server.new_client()
            thread = threading.Thread(target=lambda: answers.append(client.post("/items", {"id": "new", "title": "jacket"}).status))
            thread.start()
            while encoder.stats()["calls"] < 1:
                time.sleep(0.01)
            server.stop()
            thread.join()
            # The wait must end before the service's time for stopping is over, or the connection would be cut.
            self.assertEqual(answers, [201])

    def test_a_text_is_understood_by_the_encoder_and_asked_for_once(self):
        with Encoder() as encoder, self.served(encoder) as server:
            client = server.new_client()
            for _ in range(3):
                similar = client.get("/similar", {"text": "bluetooth headphones", "k": 5})
                self.assertIsNone(similar.json["fallback"])
                self.assertTrue(all(item.startswith("sound") for item in similar.items), similar.items)
                lists = client.post("/recommend", {"text": "bluetooth headphones", "k": 5})
                self.assertIsNone(lists.json["fallback"])
                self.assertTrue(all(item.startswith("sound") for item in lists.items), lists.items)
            self.assertEqual(encoder.stats()["inputs"], ["bluetooth headphones"])

    def test_a_text_that_the_encoder_is_asked_for_costs_ten_units_more(self):
        with Encoder() as encoder, self.served(encoder) as server:
            client = server.new_client()

            def units(question):
                before = float(re.search(r"^stair_work_units_total (\S+)$", client.get("/metrics").body.decode(), re.M).group(1))
                self.assertEqual(question().status, 200)
                after = float(re.search(r"^stair_work_units_total (\S+)$", client.get("/metrics").body.decode(), re.M).group(1))
                return after - before

            for number, ask in enumerate((lambda text: client.get("/similar", {"text": text, "k": 5}),
                                          lambda text: client.post("/recommend", {"text": text, "k": 5}))):
                text = f"bluetooth headphones {number}"
                first, again = units(lambda: ask(text)), units(lambda: ask(text))  # noqa: B023
                self.assertEqual(first - again, 10)
        shutil.rmtree(self.store)
        with Encoder() as encoder, self.served(encoder, "--work-rate", "10") as server:
            client = server.new_client()
            answers = [client.get("/similar", {"text": f"bluetooth headphones {number}"}) for number in range(12)]
            self.assert_problem(answers[-1], 429, "work_rate")
            self.assertEqual(encoder.stats()["texts"], sum(answer.status == 200 for answer in answers))

    def test_without_the_encoder_a_text_is_answered_as_unknown_and_soon(self):
        with Encoder() as encoder, self.served(encoder) as server:
            client = server.new_client()
            encoder.kill()
            for number in range(20):
                answer = client.post("/recommend", {"text": f"bluetooth headphones {number}", "k": 5})
                self.assertEqual((answer.status, answer.json["fallback"], answer.json["known_words"]), (200, "unknown_user", 0))
            health = client.get("/health")
            self.assertEqual(health.status, 200)

    def asks(self, client):
        text = client.get("/metrics").body.decode()
        return {name: int(float(value)) for name, value in re.findall(r'stair_encoder_asks_total\{result="(\w+)"\} (\S+)', text)}

    def test_queries_have_a_rate_of_their_own_which_writes_do_not_share(self):
        with Encoder() as encoder, self.served(encoder, "--encoder-query-rate", "0.001", "--encoder-wait", "10s") as server:
            client = server.new_client()
            first = client.get("/similar", {"text": "bluetooth headphones", "k": 5})
            self.assertIsNone(first.json["fallback"])
            for number in range(5):  # one query in a thousand seconds, and no more
                over = client.get("/similar", {"text": f"bluetooth headphones {number}", "k": 5})
                self.assertEqual((over.status, over.json["fallback"]), (200, "unknown_user"))
            again = client.get("/similar", {"text": "bluetooth headphones", "k": 5})
            self.assertIsNone(again.json["fallback"])
            made = client.post("/items", {"id": "in-time", "title": "bluetooth earphones"})
            self.assertEqual(made.json["embedding"]["from"], ["text"])
            self.assertEqual(encoder.stats()["inputs"], ["bluetooth headphones", "bluetooth earphones"])
            told = self.asks(client)
            self.assertEqual((told["answered"], told["known"], told["limited"]), (2, 1, 5), told)

    def test_an_encoder_that_fails_is_named_by_health_though_nothing_is_pending(self):
        with Encoder() as encoder, self.served(encoder) as server:
            client = server.new_client()
            self.assertIsNone(client.get("/health").json["encoder"]["problem"])
            encoder.kill()
            self.assertEqual(client.get("/similar", {"text": "bluetooth headphones"}).json["fallback"], "unknown_user")
            client.get("/similar", {"text": "another text"})
            health = client.get("/health").json["encoder"]
            self.assertEqual(health["pending"], 0)
            self.assertTrue(health["problem"])
            told = self.asks(client)
            self.assertEqual((told["failed"], told["paused"]), (1, 1), told)

    def test_a_hanging_encoder_delays_a_few_writes_and_then_none(self):
        with Encoder() as encoder, self.served(encoder, "--encoder-wait", "50ms") as server:
            client = server.new_client()
            encoder.fault("slow", 1000, seconds=30)
            for number in range(20):
                self.assertEqual(client.post("/items", {"id": f"new-{number}", "title": f"jacket {number}"}).status, 201)
            told = self.asks(client)
            self.assertTrue(4 <= told["late"] <= 12, told)  # and one more call after each pause
            self.assertEqual(told["late"] + told["paused"], 20, told)
            self.assertTrue(client.get("/health").json["encoder"]["problem"])

    def widths(self, store):
        features = [json.loads(line).get("features", {}).get("text") for line in harness.run("export", "items", "--store", store).stdout.splitlines()]
        return sorted({None if f is None else len(base64.b64decode(f["b64"])) // 4 for f in features}, key=str)

    def test_a_model_of_another_width_replaces_all_vectors_and_the_old_generation_serves_on(self):
        store = shutil.copytree(self.made, self.path("replaced"))
        self.assertEqual(self.widths(store), [32])
        with Encoder("--width", "16") as narrow:
            asks = ["--encoder-url", narrow.url, "--encoder-model", "m"]
            harness.run("encode", "--store", store, "--replace", *asks)
            self.assertEqual(self.widths(store), [16])
            self.assert_checked(store)
            again = harness.run_json("encode", "--store", store, *asks)
            self.assertEqual((again["encoded"], again["pending"]), (0, 0))
            with harness.Server(store, *asks, "--encoder-wait", "5s") as server:
                client = server.new_client()
                self.assertIn("jacket-1", client.get("/similar", {"item": "jacket-0", "k": 20}).items)
                self.assertTrue(client.get("/recommend", {"user": "sound-user-1"}).items)
                made = client.post("/items", {"id": "later", "title": "winter jacket"})
                self.assertEqual((made.status, made.json["embedding"]["from"]), (201, []))
                self.settle(client)
                self.assertEqual(client.get("/health").json["status"], "ok")
                text = client.get("/similar", {"text": "winter jacket"})
                self.assertEqual((text.status, text.json["fallback"]), (200, "unknown_user"))
                given = {"id": "given", "features": {"text": [0.5] * 32}}
                self.assert_problem(client.post("/items", given), 400, pointer="/features/text")
                self.assertEqual(client.post("/items", {"id": "given", "features": {"text": [0.5] * 16}}).status, 201)
            with harness.Server(store, *asks) as server:  # the later item's vector is of the new width
                self.assertEqual(server.client.get("/health").json["serving"], 1)
                self.assertTrue(server.client.get("/items/later").json["id"])
            harness.run("train", "--store", store, "--epochs", "5", "--dim", "16", "--threads", "1", "--activate", "yes")
            with harness.Server(store, *asks, "--encoder-wait", "5s") as server:
                client = server.new_client()
                self.assertEqual(client.post("/items", {"id": "new", "title": "winter jacket"}).json["embedding"]["from"], ["text"])
                near = client.get("/similar", {"text": "winter jacket", "k": 5})
                self.assertIsNone(near.json["fallback"])
                client.post("/model/activate", {"generation": 1})
                self.assertTrue(client.get("/recommend", {"user": "sound-user-1"}).items)
            self.assert_checked(store)


if __name__ == "__main__":
    harness.main()
