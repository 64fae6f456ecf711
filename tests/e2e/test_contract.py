# SPDX-License-Identifier: Apache-2.0
"""openapi.yaml is the contract: the service answers every route with every status in it, and refuses every bad
request as its file says, over a socket."""

import errno
import json
import os
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import contract  # noqa: E402
import harness  # noqa: E402

CASES = os.path.join(harness.ROOT, "tests", "fixtures", "invalid")
SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "failing_disk.c")
JSON = {"Content-Type": "application/json"}

# A valid body for each route; other routes take none.
BODIES = {
    ("post", "/recommend"): {"user": "user-0"},
    ("post", "/recommend/batch"): {"requests": [{"user": "user-0"}]},
    ("post", "/items"): {"id": "one"},
    ("put", "/items"): {"items": [{"id": "one"}]},
    ("patch", "/items"): {"items": [{"id": "sku-3", "hidden": False}]},
    ("post", "/items/delete"): {"ids": ["one"]},
    ("put", "/items/{id}"): {"title": "x"},
    ("patch", "/items/{id}"): {"title": "x"},
    ("post", "/interactions"): {"interactions": [{"user": "user-1", "item": "sku-3"}]},
    ("post", "/model/train"): {"epochs": 1},
    ("post", "/model/activate"): {"generation": 1},
    ("post", "/model/prune"): {"keep": 2},
    ("post", "/snapshot"): {"name": "copy"},
}
QUERIES = {("get", "/recommend"): "?user=user-0", ("get", "/similar"): "?item=sku-3",
           ("delete", "/interactions"): "?user=user-1&item=sku-3"}


def operations():
    for template, methods in contract.load().document["paths"].items():
        for method, operation in methods.items():
            if method in contract.METHODS:
                yield method, template, operation


def target(method, template, which="sku-3"):
    path = template.replace("{name}", "copy")
    path = path.replace("{id}", "user-1" if template.startswith("/users") else which)
    return path + QUERIES.get((method, template), "")


def with_every_parameter(template, operation):
    """A target that uses all parameters of a GET that the document has."""
    doc, given = contract.load(), []
    for parameter in map(doc.resolve, operation.get("parameters", [])):
        # GET /similar takes an item or a text.
        if parameter["in"] == "query" and (template, parameter["name"]) != ("/similar", "text"):
            schema = doc.resolve(parameter["schema"])
            values = schema["items"] if schema["type"] == "array" else schema
            sample = {"integer": "1", "number": "0.5", "boolean": "true", "string": "x"}[doc.resolve(values)["type"]]
            if parameter["name"] == "cursor":
                sample = "r00000000"
            given.append((parameter["name"], doc.resolve(values).get("enum", [sample])[0]))
    return target("", template) + "?" + urllib.parse.urlencode(given)


def send(ask, method, template, headers=None, **more):
    body = BODIES.get((method, template))
    return ask.ask(method.upper(), target(method, template), body, headers=headers, **more)


class Contract(harness.TestCase):
    def test_every_route_meets_every_status_that_it_is_said_to_have(self):
        files, store = self.shop_store()
        shop_item = next(iter(harness.shop_users(files, 1).values()))[0]
        self.keys(store)
        self.limits(store)
        self.answers(store, shop_item)
        self.failures(store)
        described = {(template, method, int(status)) for method, template, operation in operations()
                     for status in operation["responses"] if status != "default"}
        described.discard(("/cluster", "get", 200))  # a single node has none: tests/cluster meets it
        missing = sorted(described - contract.load().seen)
        self.assertEqual(missing, [])

    def keys(self, store):
        text = harness.run("key", "new", "--role", "read", "--keys", self.path("keys")).stdout
        key = next(word for word in text.split() if word.startswith("stair_"))
        with harness.Server(store, "--keys", self.path("keys")) as server:
            for method, template, operation in operations():
                expected = 401 if operation["x-role"] != "open" else 302 if template == "/" else 200
                self.assertEqual(send(server.client, method, template).status, expected, template)
                if operation["x-role"] in ("write", "admin"):
                    answer = send(server.client, method, template, {"X-API-Key": key})
                    self.assertEqual(answer.status, 403, template)
        with harness.Server(store) as server:
            for method, template, operation in operations():
                answer = send(server.client, method, template, {"Host": "elsewhere.example"})
                self.assertEqual(answer.status, 403, template)

    def limits(self, store):
        with harness.Server(store, "--exclude-max", "1", "--body-bytes-max", "64KiB") as server:
            ask = server.client
            for method, template, operation in operations():
                path = target(method, template)
                responses = operation["responses"]
                if (method, template) in BODIES:
                    answer = ask.ask(method.upper(), path, b" " * 70000, JSON)
                    self.assertEqual(answer.status, 413, template)
                    answer = ask.ask(method.upper(), path, b"{}", {"Content-Type": "text/plain"})
                    self.assertEqual(answer.status, 415, template)
                elif "413" in responses:
                    path += ("&" if "?" in path else "?") + "exclude=a&exclude=b"
                    self.assertEqual(ask.ask(method.upper(), path).status, 413, template)
                if "400" in responses:
                    path = target(method, template)
                    path += ("&" if "?" in path else "?") + "no_such_parameter=1"
                    answer = send_at(ask, method, template, path)
                    self.assertEqual(answer.status, 400, template)

    def answers(self, store, shop_item):
        with harness.Server(store, "--snapshot-dir", self.path("copies")) as server:
            ask = server.client
            same = {"Idempotency-Key": "again"}
            # each line: method, target, body, headers, status
            calls = [
                ("GET", "/recommend?user=user-0&explain=true&fields=title,categories,attributes", None, {}, 200),
                ("GET", "/recommend?user=nobody&strict=true", None, {}, 404),
                ("POST", "/recommend", {"items": [{"item": shop_item}], "fields": ["title"]}, {}, 200),
                ("POST", "/recommend", {"user": "nobody", "strict": True}, {}, 404),
                ("POST", "/recommend/batch", {"requests": [{"user": "user-0"}, {"user": "x", "strict": True}]}, {}, 200),
                ("GET", "/similar?item=" + shop_item, None, {}, 200),
                ("GET", "/similar?item=nothing", None, {}, 404),
                ("GET", "/popular?fields=title", None, {}, 200),
                ("GET", "/latest", None, {}, 200),
                ("GET", "/users?limit=3", None, {}, 200),
                ("GET", "/users?sample=3", None, {}, 200),
                ("GET", "/", None, {}, 302),
                ("GET", "/items?limit=3&fields=title,features", None, {}, 200),
                ("POST", "/items", {"id": "a", "features": {"text": [0.5] * 24, "sound": [1, 2]}}, {}, 201),
                ("POST", "/items", {"id": "a"}, {}, 409),
                ("POST", "/items", {"items": [{"id": "b"}, {"id": "a"}]}, same, 200),
                ("POST", "/items", {"items": [{"id": "c"}]}, same, 422),
                ("PUT", "/items", {"items": [{"id": "b", "title": "B"}]}, {}, 200),
                ("PATCH", "/items", {"items": [{"id": "b", "hidden": True}]}, {}, 200),
                ("PATCH", "/items", {"items": [{"id": "none", "hidden": True}]}, {}, 404),
                ("POST", "/items/delete", {"ids": ["b"]}, {"Idempotency-Key": "delete"}, 200),
                ("POST", "/items/delete", {"ids": ["a"]}, {"Idempotency-Key": "delete"}, 422),
                ("POST", "/items/delete", {"ids": ["none"]}, {}, 404),
                ("PUT", "/items/d%2Fd", {"title": "D"}, {}, 201),
                ("PUT", "/items/d%2Fd", {"title": "D"}, {}, 200),
                ("PATCH", "/items/d%2Fd", {"attributes": {"price": 5}}, {}, 200),
                ("PATCH", "/items/none", {"hidden": True}, {}, 404),
                ("GET", "/items/a?embedding=true", None, {}, 200),
                ("GET", "/items/none", None, {}, 404),
                ("DELETE", "/items/d%2Fd", None, {}, 200),
                ("DELETE", "/items/d%2Fd", None, {}, 404),
                ("POST", "/interactions", {"user": "eve", "item": "a"}, {"Idempotency-Key": "buy"}, 201),
                ("POST", "/interactions", {"user": "eve", "item": "c"}, {"Idempotency-Key": "buy"}, 422),
                ("POST", "/interactions", {"user": "eve", "item": "a"}, {}, 200),
                ("POST", "/interactions", {"user": "eve", "item": "none"}, {}, 404),
                ("GET", "/users/eve", None, {}, 200),
                ("GET", "/users/eve/interactions", None, {}, 200),
                ("DELETE", "/interactions?user=eve&item=a", None, {}, 200),
                ("DELETE", "/interactions?user=eve&item=a", None, {}, 404),
                ("DELETE", "/users/eve", None, {}, 200),
                ("DELETE", "/users/eve", None, {}, 404),
                ("GET", "/users/eve", None, {}, 404),
                ("GET", "/users/eve/interactions", None, {}, 404),
                ("GET", "/model", None, {}, 200),
                ("GET", "/model/generations", None, {}, 200),
                ("POST", "/model/activate", {"generation": 1}, {"Idempotency-Key": "act"}, 200),
                ("POST", "/model/activate", "{ \"generation\": 1 }", {"Idempotency-Key": "act"}, 422),
                ("POST", "/model/activate", {"generation": 99}, {}, 404),
                ("POST", "/model/prune", {"keep": 1}, {"Idempotency-Key": "prune"}, 200),
                ("POST", "/model/prune", {"keep": 2}, {"Idempotency-Key": "prune"}, 422),
                ("POST", "/model/prune", {"keep": -1}, {}, 400),
                ("GET", "/model/train", None, {}, 200),
                ("DELETE", "/model/train", None, {}, 404),
                ("POST", "/model/train", {"epochs": 100000}, {}, 202),
                ("POST", "/model/train", None, {}, 409),
                ("DELETE", "/model/train", None, {}, 200),
                ("POST", "/snapshot", {"name": "mon"}, {}, 202),
                ("POST", "/snapshot", {"name": "mon"}, {}, 409),
                ("GET", "/snapshot/mon", None, {}, 200),
                ("GET", "/snapshot/none", None, {}, 404),
                ("GET", "/cluster", None, {}, 404),
                ("GET", "/export/items", None, {}, 200),
                ("GET", "/export/interactions", None, {}, 200),
                ("GET", "/metrics", None, {}, 200),
                ("GET", "/console", None, {}, 200),
            ]
            doc = contract.load()
            for method, path, body, headers, status in calls:
                answer = ask.ask(method, path, body, headers=headers)
                self.assertEqual(answer.status, status, f"{method} {path}: {answer.body[:300]}")
                if isinstance(body, dict) and status < 300:
                    self.body_as_described(method, path, body)
            for method, template, operation in operations():
                if any(doc.resolve(p)["name"] == "min_seq" for p in operation.get("parameters", [])) or template.startswith("/recommend"):
                    # A single node does not wait for a write that does not exist yet.
                    answer = send(ask, method, template, {"X-Stair-Min-Seq": "999999999"})
                    self.assertEqual(answer.status, 503, f"{method} {template}: {answer.body[:200]}")
                if method == "get":
                    path = with_every_parameter(template, operation)
                    self.assertNotEqual(ask.ask("GET", path, contract_check=False).status, 400, path)

    def body_as_described(self, method, path, body):
        """A body that the service accepts is valid by the document."""
        doc = contract.load()
        operation = doc.find(urllib.parse.urlsplit(path).path)[1][method.lower()]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        doc.validate(schema, body, f"{method} {path}: the body")

    def failures(self, store):
        """507 and 503 of every write, and 503 of readiness while it stops."""
        library, orders = self.path("disk.so"), self.path("orders")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
        write = bytes([errno.ENOSPC, 0]), 507
        sync = bytes([0, errno.EIO]), 503
        with open(orders, "wb") as f:
            f.write(bytes(2))
        env = {"LD_PRELOAD": library, "STAIR_TEST_DISK": orders}
        with harness.Server(store, "--drain-delay", "2", env=env) as server:
            ask = server.client
            for method, template, operation in operations():
                if "507" not in operation["responses"]:
                    continue
                self.prepare(ask)
                for order, status in (write, sync):
                    self.order(orders, order)
                    answer = send(ask, method, template)
                    self.order(orders, bytes(2))
                    self.assertEqual(answer.status, status, f"{method} {template}: {answer.body}")
            stopping = threading.Thread(target=server.process.terminate)
            stopping.start()
            stopping.join()
            while ask.get("/health/ready").status == 200:
                pass

    @staticmethod
    def order(path, what):
        with open(path, "r+b") as f:
            f.write(what)

    def prepare(self, ask):
        """Makes the items and users that the writes of `send` need, and removes those that they create."""
        for _ in range(100):  # until the store is open again after a failed commit
            if ask.put("/items/sku-3", {}).status in (200, 201):
                break
        ask.post("/interactions", BODIES[("post", "/interactions")])
        ask.post("/items/delete", {"ids": ["one"]})

    def test_bad_requests_are_refused_over_a_socket_as_their_files_say(self):
        with harness.Server(self.path("empty"), "--snapshot-dir", self.path("copies")) as server:
            ask = server.client
            for name in ("items", "interactions"):
                with open(os.path.join(CASES, "_setup", name + ".json"), "rb") as f:
                    self.assertEqual(ask.post("/" + name, f.read()).status, 200)
            seq = ask.get("/health").json["seq"]
            cases = sorted(name for name in os.listdir(CASES) if not name.startswith("_"))
            self.assertGreaterEqual(len(cases), 150)
            for name in cases:
                with self.subTest(name):
                    self.one_case(ask, name)
                    self.assertEqual(ask.get("/health").json["seq"], seq)

    def one_case(self, ask, name):
        with open(os.path.join(CASES, name, "request"), "rb") as f:
            head, _, body = f.read().partition(b"\n\n")
        with open(os.path.join(CASES, name, "problem"), encoding="utf-8") as f:
            wanted = json.load(f)
        line, *headers = head.decode().split("\n")
        method, path = line.split(" ", 1)
        headers = dict(entry.split(": ", 1) for entry in headers)
        answer = self.raw(ask, method, path, headers, body)
        self.assertEqual(answer.status, wanted["status"], answer.body)
        problem = answer.json
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(problem["type"], wanted["type"])
        self.assertIn(wanted.get("detail", ""), problem["detail"])
        if "errors" in wanted:
            places = [{k: v for k, v in entry.items() if k != "detail"} for entry in problem["errors"]]
            self.assertEqual(places, wanted["errors"])
        if contract.load().find(urllib.parse.urlsplit(path).path)[0] is not None:
            contract.check(method, path, answer)

    @staticmethod
    def raw(ask, method, path, headers, body):
        """Sends bytes over a socket, because the client library would correct method and headers."""
        if ask.connection is None:
            ask._connect()
        connection = ask.connection or ask._connect()
        connection.putrequest(method, path)
        for key, value in headers.items():
            connection.putheader(key, value)
        if body or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        got = connection.getresponse()
        answer = harness.Answer(got.status, got.headers, got.read())
        connection.close()
        ask.connection = None
        return answer


def send_at(ask, method, template, path):
    return ask.ask(method.upper(), path, BODIES.get((method, template)))


if __name__ == "__main__":
    harness.main()
