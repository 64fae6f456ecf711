# SPDX-License-Identifier: Apache-2.0
"""Clients that write and read at all nodes and note every call for the judge.

Each write goes to a random node. Most writes by POST carry an Idempotency-Key. If the outcome of such a write is
unknown, it is repeated at random nodes until one of them knows it. Reads go to a random node and ask for what
their client has written (min_seq).
"""

import http.client
import json
import random
import socket
import threading
import time
import urllib.parse

import harness
from history import ABSENT, OK, REFUSED, UNKNOWN, Read, Write, present

REPEAT_SECONDS = 30


class Stopped(Exception):
    """Raised when the time is over."""


class Client(threading.Thread):
    def __init__(self, number, nodes, history, things, until):
        super().__init__(daemon=True)
        self.number, self.nodes, self.history, self.until = number, nodes, history, until
        self.items, self.users, self.erasable = things
        self.rng, self.count, self.seq = random.Random(number), 0, 0
        self.connections, self.problems, self.counts = {}, [], {}

    # --- one call

    def ask(self, node, method, target, body=None, headers=None):
        """Returns the answer. Without an answer: None if the node may have received the request, False if it has not."""
        connection = self.connections.get(node.index)
        if connection is None:
            connection = http.client.HTTPConnection(node.host, node.port, timeout=8)
            try:
                connection.connect()
            except OSError:
                return False
            self.connections[node.index] = connection
        try:
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, target, None if body is None else json.dumps(body), sent)
            got = connection.getresponse()
            answer = harness.Answer(got.status, got.headers, got.read())
            self.counts[(method, got.status)] = self.counts.get((method, got.status), 0) + 1
            return answer
        except (http.client.HTTPException, OSError, socket.timeout):
            connection.close()
            del self.connections[node.index]
            self.counts[(method, "cut")] = self.counts.get((method, "cut"), 0) + 1
            return None

    # --- writes

    def attempt(self, write, node, method, target, body, headers):
        """Sends once; returns True if the write's outcome is known."""
        answer = self.ask(node, method, target, body, headers)
        if answer is False:
            return False
        if answer is None:
            self.maybe = True
            return False
        if answer.status in (200, 201):
            write.outcome, write.seq = OK, answer.json["seq"]
            write.seqs.add(write.seq)
            write.end = time.monotonic()
            self.history.acknowledged.append((node.index, write.end, write.seq))
            self.seq = max(self.seq, write.seq)
            return True
        if answer.status in (404, 409):
            write.outcome, write.end = REFUSED, time.monotonic()
            return True
        if answer.status == 503 and b"outcome_unknown" in answer.body:
            self.maybe = True
            return False
        if answer.status not in (503, 507):
            self.problems.append(f"{method} {target}: {answer.status} {answer.body[:300]}")
            raise Stopped
        return False

    def write(self, changes, method, target, body=None):
        self.count += 1
        # Requests of other methods can be repeated without a key. Such a repeat counts as another write.
        keyed = method == "POST" and self.rng.random() < 0.8
        key = {"Idempotency-Key": f"{self.number}-{self.count}"} if keyed else None
        write, self.maybe = Write(changes, start=time.monotonic()), False
        self.history.writes.append(write)  # list.append is atomic
        end = time.monotonic() + REPEAT_SECONDS
        settled = self.attempt(write, self.rng.choice(self.nodes), method, target, body, key)
        while not settled and key is not None and time.monotonic() < end:
            time.sleep(0.05)
            settled = self.attempt(write, self.rng.choice(self.nodes), method, target, body, key)
        if not settled:
            write.end = time.monotonic()
            write.outcome = UNKNOWN if self.maybe else REFUSED
            time.sleep(0.05)
        elif write.outcome == OK and key is not None and self.rng.random() < 0.2:
            self.repeat(write, method, target, body, key)

    def repeat(self, write, method, target, body, key):
        """Repeats a write with its key at a random node, which must give the first answer again."""
        node = self.rng.choice(self.nodes)
        answer = self.ask(node, method, target, body, key)
        if answer and answer.status in (200, 201):
            write.seqs.add(answer.json["seq"])
        elif answer and answer.status not in (503, 507):
            self.problems.append(f"repeat of {method} {target}: {answer.status} {answer.body[:300]}")

    def step_write(self):
        item, title = self.rng.choice(self.items), f"{self.number}-{self.count}"
        path = "/items/" + urllib.parse.quote(item, safe="")
        kind = self.rng.random()
        if kind < 0.35:
            hidden = self.rng.random() < 0.4
            self.write({("item", item): present(title, hidden)}, "PUT", path, {"title": title, "hidden": hidden})
        elif kind < 0.45:
            self.write({("item", item): ABSENT}, "DELETE", path)
        elif kind < 0.98:
            user = self.rng.choice(self.users)
            self.write({("seen", user, item): True}, "POST", "/interactions",
                       {"user": user, "item": item, "type": "purchase"})
        else:
            user = self.rng.choice(self.erasable)
            self.write({("erased", user): True}, "DELETE", "/users/" + urllib.parse.quote(user, safe=""))

    # --- reads

    def read_item(self, node, item, asked):
        """Reads an item; returns True if the node answered. A 404 names no seq, so a list of one item gives its bound."""
        start, path = time.monotonic(), "/items/" + urllib.parse.quote(item, safe="")
        answer = self.ask(node, "GET", f"{path}?min_seq={asked}")
        if not answer or answer.status not in (200, 404):
            return False
        if answer.status == 200:
            it = answer.json
            self.history.reads.append(Read(node.index, start, time.monotonic(), it["seq"], asked,
                                           items={item: present(it.get("title"), it["hidden"])}))
            return True
        after = self.ask(node, "GET", "/items?limit=1")
        if not after or after.status != 200:
            return False
        self.history.reads.append(Read(node.index, start, time.monotonic(), after.json["seq"], asked,
                                       items={item: ABSENT}, first=asked))
        return True

    def read_list(self, node, user, asked):
        start = time.monotonic()
        answer = self.ask(node, "GET", "/recommend?" + urllib.parse.urlencode({"user": user, "k": 200, "min_seq": asked}))
        if answer and answer.status == 200:
            self.history.reads.append(Read(node.index, start, time.monotonic(), answer.json["seq"], asked,
                                           user=user, listed=tuple(answer.items)))

    def step_read(self):
        node = self.rng.choice(self.nodes)
        asked = self.seq if self.rng.random() < 0.7 else 0
        if self.rng.random() < 0.5:
            self.read_item(node, self.rng.choice(self.items), asked)
        else:
            self.read_list(node, self.rng.choice(self.users + self.erasable), asked)

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.step_write() if self.rng.random() < 0.5 else self.step_read()
        except Stopped:
            pass
        except Exception as problem:  # a thread's exception would be lost
            self.problems.append(repr(problem))
        finally:
            for connection in self.connections.values():
                connection.close()
