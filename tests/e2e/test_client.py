# SPDX-License-Identifier: Apache-2.0
"""The Python client against the real service, and against one that fails on demand."""

import http.server
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

sys.path.insert(0, os.path.join(harness.ROOT, "api", "clients"))
from stair_client import Problem, Stair  # noqa: E402


class Failing(http.server.BaseHTTPRequestHandler):
    """Answers with the next of `script`: a status, or None to cut the connection."""

    protocol_version = "HTTP/1.1"
    script, seen = [], []

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        Failing.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        status = Failing.script.pop(0)
        if status is None:
            self.connection.close()
            self.close_connection = True
            return
        body = json.dumps({"detail": "on demand"} if status >= 400 else {"fine": True}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status in (429, 503):
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class Client(harness.TestCase):
    def failing(self, *script):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Failing.script, Failing.seen = list(script), []
        return Stair(f"http://127.0.0.1:{server.server_port}", timeout=5)

    def test_a_write_is_tried_again_with_the_same_key(self):
        shop = self.failing(None, 503, 429, 200)
        self.assertEqual(shop.interact([{"user": "u", "item": "i"}]), {"fine": True})
        keys = {headers["Idempotency-Key"] for _, _, headers, _ in Failing.seen}
        self.assertEqual((len(Failing.seen), len(keys)), (4, 1))
        self.assertEqual(len({body for _, _, _, body in Failing.seen}), 1)

    def test_what_cannot_be_repeated_is_not(self):
        shop = self.failing(503, 200)
        with self.assertRaises(Problem) as raised:
            shop.remove_interactions("u", "i")
        self.assertEqual((raised.exception.status, len(Failing.seen)), (503, 1))

    def test_it_gives_up_after_its_tries(self):
        shop = self.failing(503, 503, 503, 503, 200)
        with self.assertRaises(Problem):
            shop.health()
        self.assertEqual(len(Failing.seen), 4)

    def test_the_real_service(self):
        files, store = self.shop_store()
        user, had = next(iter(harness.shop_users(files, 1).items()))
        with harness.Server(store) as server, Stair("http://" + server.address) as shop:
            hits = [hit["item"] for hit in shop.recommend(user, k=5)["items"]]
            self.assertEqual(hits, server.client.get("/recommend", {"user": user, "k": 5}).items)
            self.assertFalse(set(hits) & set(had))
            self.assertEqual(shop.put_items([{"id": "a/b c", "title": "odd id"}])["accepted"], 1)
            self.assertEqual(shop.item("a/b c")["title"], "odd id")
            self.assertEqual(shop.interact([{"user": user, "item": hits[0]}])["seq"], shop.health()["seq"])
            self.assertNotIn(hits[0], [hit["item"] for hit in shop.recommend(user, k=20)["items"]])
            self.assertEqual(len(list(shop.items(limit=70))), shop.model()["live"]["items"])
            self.assertEqual(len(shop.recommend_batch([{"user": user}, {"user": "nobody"}])["results"]), 2)
            self.assertTrue(shop.similar(hits[0], k=3, category=[])["items"])
            with self.assertRaises(Problem) as raised:
                shop.recommend(user, k=0)
            self.assertEqual(raised.exception.status, 400)
            self.assertIn("/k", str(raised.exception))
            shop.delete_items(["a/b c"])
            with self.assertRaises(Problem) as raised:
                shop.item("a/b c")
            self.assertEqual(raised.exception.status, 404)


if __name__ == "__main__":
    harness.main()
