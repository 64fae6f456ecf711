# SPDX-License-Identifier: Apache-2.0
"""Calls of an encoder: a real server process that can be told to fail in many ways."""

import base64
import json
import os
import signal
import struct
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

ENCODER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "encoder.py")


class Encoder:
    """The process. `port` 0 takes any free port; a given port lets a second process replace the first."""

    def __init__(self, *arguments, port=0, secure=False):
        self.secure = secure
        self.process = subprocess.Popen([sys.executable, ENCODER, "--port", str(port), *arguments], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    @property
    def url(self):
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}/v1/embeddings"

    def stats(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=30) as answer:
            return json.load(answer)

    def fault(self, kind, times=1, **more):
        body = json.dumps({"kind": kind, "times": times, **more}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/fault", body, timeout=30):
            pass

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.kill()


class OfStore(harness.TestCase):
    def store(self, titles=None, name="store"):
        items = self.path(f"{name}.jsonl")
        with open(items, "w", encoding="utf-8") as f:
            for i, title in enumerate(titles or [f"item number {i}" for i in range(20)]):
                f.write(json.dumps({"id": f"i{i}", "title": title}) + "\n")
        harness.run("import", "--store", self.path(name), "--items", items)
        return self.path(name)

    def encode(self, store, encoder, *more, **how):
        return harness.run("encode", "--store", store, "--encoder-url", encoder.url, "--encoder-model", "m", "--json", *more, **how)

    def test_each_fault_is_told_and_overcome(self):
        faults = [("status", {"status": 500}), ("status", {"status": 429, "headers": {"Retry-After": "1"}}), ("status", {"status": 404}),
                  ("count", {}), ("width", {}), ("nan", {}), ("infinite", {}), ("words", {}), ("twice", {}), ("half", {}), ("cut", {}),
                  ("garbage", {}), ("keys", {}), ("compressed", {}), ("status", {"status": 206}),
                  *(("index", {"index": index}) for index in (20, -1, 1, 0.0, "0", 10**18)),
                  *(("body", {"body": body}) for body in ("", "[]", "null", "{}", '{"data": {}}', '{"data": [' + "[" * 200, "\x00\xff"))]
        with Encoder() as encoder:
            for number, (kind, more) in enumerate(faults):
                store = self.store(name=f"store-{number}")
                encoder.fault(kind, 1, **more)
                done = json.loads(self.encode(store, encoder).stdout)
                self.assertEqual((done["encoded"], done["refused"], done["failures"], done["pending"]), (20, 0, 1, 0), (kind, done))
                again = json.loads(self.encode(store, encoder).stdout)
                self.assertEqual(again["encoded"], 0)
                self.assert_checked(store)

    def test_a_hostile_answer_costs_an_error_and_little_else(self):
        with Encoder() as encoder, Encoder() as other:
            for number, (kind, more) in enumerate([("giant", {}), ("headers", {}), ("redirect", {"to": other.url}), ("drip", {}),
                                                   ("slow", {"seconds": 20}), ("informed", {})]):
                store = self.store(name=f"store-{number}")
                encoder.fault(kind, 1, **more)
                began = time.monotonic()
                done = json.loads(self.encode(store, encoder, "--encoder-timeout", "2s").stdout)
                self.assertEqual((done["encoded"], done["failures"]), (20, 1), kind)
                self.assertLess(time.monotonic() - began, 20, kind)
            self.assertEqual(other.stats()["calls"], 0)

    def test_an_answer_of_many_tiny_values_takes_little_memory(self):
        with Encoder() as encoder:
            for number, body in enumerate(("{},", "[],", '"",', "0,")):
                store = self.store([f"item number {i}" for i in range(100)], name=f"store-{number}")
                encoder.fault("body", 1, head='{"data": [', body=body, repeat=(40 << 20) // len(body))
                process = subprocess.Popen([harness.STAIR, "encode", "--store", store, "--encoder-url", encoder.url, "--encoder-model", "m",
                                            "--encoder-batch", "100", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           env=harness.ENVIRONMENT)
                done = json.loads(process.stdout.read())
                process.stderr.read()
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = status
                process.stdout.close()
                process.stderr.close()
                self.assertEqual((status, done["encoded"], done["failures"]), (0, 100, 1), body)
                self.assertLess(used.ru_maxrss, 300 << 10, body)

    def test_a_bad_text_is_found_and_not_asked_again_until_it_changes(self):
        titles = [f"item number {i}" for i in range(40)]
        titles[17] = "a POISON text"
        with Encoder() as encoder:
            store = self.store(titles)
            encoder.fault("none", 0, bad="POISON")
            done = json.loads(self.encode(store, encoder).stdout)
            self.assertEqual((done["encoded"], done["refused"], done["pending"]), (39, 1, 0))
            calls = encoder.stats()["calls"]
            self.assertEqual(json.loads(self.encode(store, encoder).stdout)["encoded"], 0)
            self.assertEqual(encoder.stats()["calls"], calls)

    def test_an_encoder_that_refuses_everything_marks_nothing(self):
        with Encoder() as encoder:
            store = self.store()
            encoder.fault("status", 100000, status=400)
            process = subprocess.Popen([harness.STAIR, "encode", "--store", store, "--encoder-url", encoder.url, "--encoder-model", "m"],
                                       stderr=subprocess.PIPE, env=harness.ENVIRONMENT, text=True)
            while encoder.stats()["calls"] < 8:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            self.assertIn("continue with stair encode", process.communicate(timeout=30)[1])
            encoder.fault("none", 0)
            done = json.loads(self.encode(store, encoder).stdout)
            self.assertEqual((done["encoded"], done["refused"]), (20, 0))

    def test_an_interrupted_run_goes_on_where_it_was(self):
        with Encoder("--seconds", "0.1") as encoder:
            store = self.store([f"item number {i}" for i in range(400)])
            process = subprocess.Popen([harness.STAIR, "encode", "--store", store, "--encoder-url", encoder.url, "--encoder-model", "m",
                                        "--encoder-batch", "8", "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=harness.ENVIRONMENT)
            while encoder.stats()["calls"] < 24:
                time.sleep(0.01)
            process.kill()
            process.wait()
            done = json.loads(self.encode(store, encoder).stdout)
            self.assertTrue(0 < done["encoded"] < 400, done)
            self.assert_checked(store)

    def test_an_import_keeps_eight_full_calls_at_work_until_the_last_text(self):
        with Encoder("--together", "8", "2000") as encoder:
            items = self.path("items.jsonl")
            with open(items, "w", encoding="utf-8") as f:
                for i in range(2000):
                    f.write(json.dumps({"id": str(i), "title": f"thing {i}", "description": "<b>bold</b> &amp; \\u0000 \"quoted\" \n"}) + "\n")
            told = harness.run_json("import", "--store", self.path("store"), "--items", items, "--encoder-url", encoder.url,
                                    "--encoder-model", "m")
            stats = encoder.stats()
            self.assertEqual((stats["texts"], stats["most"], stats["sizes"]), (2000, 8, [32] * 62 + [16]), told)
            self.assertTrue(all(text.startswith("thing ") and "<b>" not in text for text in stats["inputs"]))

    def test_a_service_keeps_eight_calls_at_work_while_texts_wait(self):
        with Encoder("--together", "8", "3000") as encoder, self.served(self.path("empty"), encoder) as server:
            client = server.new_client()
            for first in range(0, 3000, 1000):
                items = [{"id": f"i{i}", "title": f"item {i}"} for i in range(first, first + 1000)]
                self.assertEqual(client.post("/items", {"items": items}).status, 200)
            health = self.wait_for(client)
            stats = encoder.stats()
            self.assertEqual((stats["texts"], stats["most"], health["failures"]), (3000, 8, 0))
            self.assertLessEqual(sum(size < 32 for size in stats["sizes"]), 3, stats["sizes"])  # the last of each write

    def test_the_address_the_token_and_the_certificate_are_checked(self):
        store = self.store()
        for url in ("http://user:secret@127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "nonsense"):
            done = harness.run("encode", "--store", store, "--encoder-url", url, "--encoder-model", "m", check=False)
            self.assertEqual(done.returncode, 2, url)
            self.assertNotIn("secret", done.stderr)
        with Encoder() as encoder:
            token = self.path("token")
            with open(token, "w", encoding="utf-8") as f:
                f.write("s3cret\n")
            self.encode(store, encoder, "--encoder-key-file", token)
            self.assertEqual(encoder.stats()["keys"], ["Bearer s3cret"])
        key, certificate = self.path("key.pem"), self.path("certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        with Encoder("--tls", certificate, key, secure=True) as encoder:
            store = self.store(name="other")
            process = subprocess.Popen([harness.STAIR, "encode", "--store", store, "--encoder-url", encoder.url, "--encoder-model", "m"],
                                       stderr=subprocess.PIPE, env=harness.ENVIRONMENT, text=True)
            told = ""
            while "certificate" not in told.lower() and "SSL" not in told:
                told += process.stderr.readline()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)

    def test_a_model_of_another_width_is_refused_by_name(self):
        with Encoder() as encoder, Encoder("--width", "16") as narrow:
            store = self.store()
            self.encode(store, encoder)
            harness.run("import", "--store", store, "--merge", "--items", self.more())
            process = subprocess.Popen([harness.STAIR, "encode", "--store", store, "--encoder-url", narrow.url, "--encoder-model", "m"],
                                       stderr=subprocess.PIPE, env=harness.ENVIRONMENT, text=True)
            told = ""
            while "expected 32 numbers, not 16" not in told:
                told += process.stderr.readline()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)

    def vectors(self, store):
        """The items' vectors of `text`, by item."""
        lines = harness.run("export", "items", "--store", store).stdout.splitlines()
        features = {item["id"]: item.get("features", {}).get("text") for item in map(json.loads, lines)}
        return {name: None if f is None else base64.b64decode(f["b64"]) for name, f in features.items()}

    def merge(self, store, *items):
        with open(self.path("merged.jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(item) + "\n" for item in items)
        harness.run("import", "--store", store, "--merge", "--items", self.path("merged.jsonl"))

    def test_another_model_replaces_what_an_encoder_made_and_no_given_vector(self):
        given = [float(j) for j in range(1, 33)]
        with Encoder() as encoder, Encoder("--model", "other") as other, Encoder("--width", "16") as narrow:
            store = self.store()
            self.encode(store, encoder)
            self.merge(store, {"id": "i3", "title": "item number 3", "features": {"text": given}}, {"id": "i4", "title": ""})
            before = self.vectors(store)
            done = json.loads(self.encode(store, other, "--replace").stdout)
            after = self.vectors(store)
            self.assertEqual((done["encoded"], done["pending"]), (18, 0), done)
            self.assertEqual(after["i3"], struct.pack("<32f", *given))
            self.assertIsNone(after["i4"])
            self.assertTrue(all(after[name] != before[name] for name in after if name != "i3"))
            refused = self.encode(store, narrow, "--replace", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("clients gave 1 items vectors of 32 numbers", refused.stderr)
            self.assertEqual(self.vectors(store), after)
            self.assert_checked(store)

    def test_an_interrupted_replacement_is_told_and_finished_by_the_next_run(self):
        titles = [f"item number {i}" for i in range(100)]
        with Encoder() as encoder, Encoder("--model", "other", "--seconds", "0.2") as other:
            store, whole = self.store(titles), self.store(titles, name="whole")
            self.encode(store, encoder)
            self.encode(whole, other)
            before = encoder.stats()["calls"], other.stats()["calls"]
            process = subprocess.Popen([harness.STAIR, "encode", "--store", store, "--encoder-url", other.url, "--encoder-model", "m",
                                        "--encoder-batch", "2", "--replace"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=harness.ENVIRONMENT)
            while other.stats()["calls"] < before[1] + 16:
                time.sleep(0.01)
            process.kill()
            process.wait()
            mixed, new = self.vectors(store), self.vectors(whole)
            left = sum(mixed[name] != new[name] for name in new)
            self.assertTrue(0 < left < 100, left)
            warnings = json.loads(harness.run("check", "--store", store, "--json").stdout)["warnings"]
            self.assertTrue(any(w.startswith(f"{left} items still have the vector") for w in warnings), warnings)
            self.assertEqual(json.loads(self.encode(store, other).stdout)["encoded"], left)
            self.assertEqual(self.vectors(store), new)
            self.assertFalse(any("vector of another" in w for w in json.loads(
                harness.run("check", "--store", store, "--json").stdout)["warnings"]))
            self.assert_checked(store)

    def test_a_merged_import_with_other_texts_asks_for_these_alone(self):
        with Encoder() as encoder:
            store = self.store()
            self.encode(store, encoder)
            self.merge(store, {"id": "i3", "title": "item number 3"}, {"id": "i4", "title": "another title"})
            self.assertEqual(json.loads(self.encode(store, encoder).stdout)["encoded"], 1)
            self.assertEqual(encoder.stats()["inputs"][20:], ["another title"])

    def exported(self, store):
        lines = harness.run("export", "items", "--store", store).stdout.splitlines()
        return {item["id"]: item for item in map(json.loads, lines)}

    def test_an_export_tells_encoded_vectors_from_given_ones_and_an_import_keeps_that(self):
        given = [float(j) for j in range(1, 33)]
        with Encoder() as encoder:
            store, copy = self.store(), self.path("copy")
            self.merge(store, {"id": "i3", "title": "item number 3", "features": {"text": given}})
            self.encode(store, encoder)
            asked = encoder.stats()["texts"]
            items = self.exported(store)
            self.assertEqual([name for name, item in items.items() if "text_hash" not in item["features"]["text"]], ["i3"])
            items["i3"]["title"], items["i4"]["title"] = "given, then renamed", "encoded, then renamed"
            with open(self.path("export.jsonl"), "w", encoding="utf-8") as f:
                f.writelines(json.dumps(item) + "\n" for item in items.values())
            harness.run("import", "--store", copy, "--items", self.path("export.jsonl"))
            before = self.vectors(copy)
            self.assertEqual(before, self.vectors(store))
            self.assertEqual(json.loads(self.encode(copy, encoder).stdout)["encoded"], 1)
            self.assertEqual(encoder.stats()["inputs"][asked:], ["encoded, then renamed"])
            self.merge(copy, {"id": "i5", "title": "changed after the import"})
            self.assertEqual(json.loads(self.encode(copy, encoder).stdout)["encoded"], 1)
            after = self.vectors(copy)
            self.assertEqual([name for name in after if after[name] != before[name]], ["i4", "i5"])
            self.assertEqual(after["i3"], struct.pack("<32f", *given))
            self.assertEqual({name: item["features"]["text"].get("text_hash") for name, item in self.exported(copy).items()
                              if name not in ("i4", "i5")},
                             {name: item["features"]["text"].get("text_hash") for name, item in items.items()
                              if name not in ("i4", "i5")})
            self.assert_checked(copy)

    def test_an_encoded_vector_in_a_file_or_a_request_replaces_no_given_one(self):
        given = [float(j) for j in range(1, 33)]
        with Encoder() as encoder:
            store = self.store()
            self.encode(store, encoder)
            old = self.exported(store)
            self.merge(store, {"id": "i3", "title": "item number 3", "features": {"text": given}})
            self.merge(store, old["i3"], old["i4"])
            self.assertEqual(self.vectors(store)["i3"], struct.pack("<32f", *given))
            self.assertNotIn("text_hash", self.exported(store)["i3"]["features"]["text"])
            with self.served(store, encoder) as server:
                client = server.new_client()
                item = client.get("/items/i4", {"fields": "title,features"}).json
                self.assertEqual(item["features"], old["i4"]["features"])
                answer = client.put("/items/i4", {"title": item["title"], "features": item["features"]})
                self.assertEqual(answer.status, 200)
                self.assertEqual(client.get("/items/i4", {"fields": "features"}).json["features"], item["features"])
                client.put("/items/i4", {"title": "a new title", "features": item["features"]})
                self.wait_for(client)
                new = client.get("/items/i4", {"fields": "features"}).json["features"]
                self.assertNotEqual(new["text"]["text_hash"], item["features"]["text"]["text_hash"])
                self.assertNotEqual(new["text"]["b64"], item["features"]["text"]["b64"])
                server.stop()
            self.assert_checked(store)

    def test_a_vector_that_is_given_while_the_encoder_works_stays(self):
        with Encoder("--seconds", "0.5") as encoder, self.served(self.path("empty"), encoder) as server:
            client = server.new_client()
            client.post("/items", {"id": "a", "title": "winter jacket"})
            while encoder.stats()["calls"] < 1:
                time.sleep(0.01)
            client.patch("/items/a", {"features": {"text": [3.0] * 32}})
            self.wait_for(client)
            client.patch("/items/a", {"title": "summer hat"})
            client.post("/items", {"id": "b", "title": "the last one"})
            while "the last one" not in encoder.stats()["inputs"]:
                time.sleep(0.01)
            self.wait_for(client)
            server.stop()
            self.assertEqual(self.vectors(self.path("empty"))["a"], struct.pack("<32f", *[3.0] * 32))
            self.assertNotIn("summer hat", encoder.stats()["inputs"])

    def served(self, store, encoder, *more):
        return harness.Server(store, "--encoder-url", encoder.url, "--encoder-model", "m", *more)

    def wait_for(self, client, pending=0):
        for _ in range(600):
            health = client.get("/health").json["encoder"]
            if health["pending"] <= pending:
                return health
            time.sleep(0.05)
        raise AssertionError(f"still pending: {health}")

    def test_a_posted_item_is_committed_at_once_and_its_vector_follows(self):
        with Encoder() as encoder, self.served(self.path("empty"), encoder) as server:
            client = server.new_client()
            answer = client.post("/items", {"id": "a", "title": "winter jacket"})
            self.assertEqual((answer.status, client.get("/items/a").json["updated_seq"]), (201, 1))
            self.wait_for(client)
            self.assertEqual(client.get("/items/a").json["updated_seq"], 1)
            client.patch("/items/a", {"title": "summer hat"})
            self.wait_for(client)
            client.patch("/items/a", {"attributes": {"price": 3}})
            self.wait_for(client)
            self.assertEqual(encoder.stats()["inputs"], ["winter jacket", "summer hat"])
            self.assertIn("stair_encoder_items_total 2", client.get("/metrics").body.decode())
            server.stop()
            self.assert_checked(self.path("empty"))

    def test_with_a_dead_encoder_reads_and_writes_go_on_and_what_waits_is_done_later(self):
        with Encoder("--seconds", "0.5") as encoder:
            store, port = self.path("empty"), encoder.port
            with self.served(store, encoder) as server:
                client = server.new_client()
                self.assertEqual(client.post("/items", {"items": [{"id": f"i{i}", "title": f"item {i}"} for i in range(500)]}).status, 200)
                while encoder.stats()["calls"] < 3:
                    time.sleep(0.01)
                encoder.kill()
                for i in range(50):
                    self.assertEqual(client.post("/items", {"id": f"later{i}", "title": f"later {i}"}).status, 201)
                self.assertGreater(client.get("/health").json["encoder"]["pending"], 50)
                server.kill()
            with Encoder(port=port) as again, self.served(store, again) as server:
                client = server.new_client()
                self.wait_for(client)
                self.assertIsNone(client.get("/health").json["encoder"]["problem"])
                done = json.loads(harness.run("check", "--store", store, "--json", check=False).stdout or "{}")
                self.assertLess(again.stats()["texts"], 551, done)

    def test_an_encoder_that_comes_back_is_found_without_a_restart(self):
        with Encoder() as encoder:
            port = encoder.port
            with self.served(self.path("empty"), encoder) as server:
                client = server.new_client()
                encoder.kill()
                client.post("/items", {"id": "a", "title": "winter jacket"})
                while client.get("/health").json["encoder"]["problem"] is None:
                    time.sleep(0.02)
                with Encoder(port=port):
                    health = self.wait_for(client)
                    self.assertGreater(health["failures"], 0)
                    self.assertIsNone(health["problem"])

    def more(self):
        path = self.path("more.jsonl")
        with open(path, "w", encoding="utf-8") as f:
            f.write(json.dumps({"id": "late", "title": "a late one"}) + "\n")
        return path


if __name__ == "__main__":
    harness.main()
