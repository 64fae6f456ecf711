# SPDX-License-Identifier: Apache-2.0
"""Many clients write and read while generations are activated, the convolution runs and snapshots are made. Then
the writes are replayed by seq, and every answer must show the state at the seq that it names.

REPLAY_SECONDS asks for a longer run.
"""

import bisect
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SECONDS = float(os.environ.get("REPLAY_SECONDS", "4"))
WRITERS, READERS, IDS = 4, 3, 24


class History:
    """The states of one user or item: (seq, state) in order of seq."""

    def __init__(self, first):
        self.seqs, self.states = [0], [first]

    def at(self, seq):
        return self.states[bisect.bisect_right(self.seqs, seq) - 1]

    def within(self, first, last):
        """All states from seq `first` to seq `last`."""
        begin, end = bisect.bisect_right(self.seqs, first) - 1, bisect.bisect_right(self.seqs, last)
        return self.states[begin:end]


class Client(threading.Thread):
    """A client with one connection. Its answers must never go back to an older state."""

    def __init__(self, server, number, until):
        super().__init__(daemon=True)
        self.ask, self.rng, self.until = server.new_client(), random.Random(number), until
        self.number, self.seq, self.problems = number, {}, []

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.step()
        except Exception as problem:  # a thread's exception would be lost
            self.problems.append(repr(problem))
        finally:
            self.ask.close()

    def see(self, seq, source, what):
        """Reads items, which come from the store, and lists, which come from the live tables."""
        if seq < self.seq.get(source, 0):
            self.problems.append(f"{what}: seq {seq} after {self.seq[source]}")
        self.seq[source] = max(self.seq.get(source, 0), seq)


class Writer(Client):
    writes, count = None, 0

    def step(self):
        if self.writes is None:
            self.writes = []
        self.count += 1
        item = f"x{self.rng.randrange(IDS)}"
        title = f"{self.number}-{self.count}"
        kind = self.rng.random()
        if kind < 0.5:
            answer = self.ask.put(f"/items/{item}", {"title": title})
        elif kind < 0.6:
            answer = self.ask.post("/items", {"items": [{"id": item, "title": title}]},
                                   headers={"Idempotency-Key": title})
            if answer.status == 409 or "error" in answer.body.decode():
                return
        elif kind < 0.8:
            title, answer = None, self.ask.delete(f"/items/{item}")
        else:
            self.ask.post("/interactions", {"interactions": [{"user": f"u{self.number}", "item": item}]})
            return
        if answer.status in (200, 201):
            seq = answer.json["seq"]
            self.see(seq, "store", "a write")
            self.writes.append((seq, item, title))


class Reader(Client):
    reads = None

    def step(self):
        if self.reads is None:
            self.reads = []
        before = self.seq.get("store", 0)
        if self.rng.random() < 0.7:
            item = f"x{self.rng.randrange(IDS)}"
            answer = self.ask.get(f"/items/{item}")
            if answer.status == 200:
                self.see(answer.json["seq"], "store", item)
                self.reads.append(("item", item, answer.json["seq"], answer.json["seq"], answer.json["title"]))
            else:  # the answer names no seq: it is between those of the answers before and after
                last = self.ask.get("/items", {"limit": 1}).json["seq"]
                self.see(last, "store", "after a 404")
                self.reads.append(("item", item, before, last, None))
            return
        answer = self.ask.get("/recommend", {"user": f"u{self.rng.randrange(WRITERS)}", "k": 50}).json
        self.see(answer["seq"], "tables", "a list")
        self.reads.append(("model", None, answer["seq"], answer["seq"], answer["model"]))
        for hit in answer["items"]:
            if hit["item"].startswith("x"):
                self.reads.append(("listed", hit["item"], answer["seq"], answer["seq"], None))


class Replay(harness.TestCase):
    def snapshot(self, ask, name):
        self.assertEqual(ask.post("/snapshot", {"name": name}).status, 202)
        while (state := ask.get(f"/snapshot/{name}").json)["state"] == "running":
            time.sleep(0.01)
        self.assertEqual(state["state"], "done")
        return state["seq"]

    def drive(self, ask, until):
        """Activates generations in turn and makes snapshots; returns both by seq."""
        activations, snapshots = [], {}
        number = 0
        while time.monotonic() < until:
            number += 1
            answer = ask.post("/model/activate", {"generation": 1 + number % 2})
            self.assertEqual(answer.status, 200, answer.body)
            activations.append((answer.json["seq"], 1 + number % 2))
            if number % 8 == 0:
                name = f"copy-{number}"
                snapshots[name] = self.snapshot(ask, name)
        return activations, snapshots

    def judge(self, read, items, models):
        kind, item, first, last, seen = read
        if kind == "model":
            self.assertEqual(seen, models.at(first), f"the model at {first}")
        elif kind == "listed":
            self.assertIsNotNone(items[item].at(first), f"{item} is listed at {first}")
        else:
            self.assertIn(seen, items[item].within(first, last), f"{item} from {first} to {last}")

    def test_every_answer_is_the_state_at_its_seq(self):
        _, store = self.shop_store()
        harness.run("train", "--store", store, "--epochs", 2, "--dim", 32, "--activate", "no")
        snapshots_dir = self.path("snapshots")
        with harness.Server(store, "--propagate-changes", 1, "--propagate-every", "50ms", "--snapshot-dir",
                            snapshots_dir) as server:
            until = time.monotonic() + SECONDS
            clients = [Writer(server, n, until) for n in range(WRITERS)]
            clients += [Reader(server, WRITERS + n, until) for n in range(READERS)]
            for c in clients:
                c.start()
            activations, snapshots = self.drive(server.client, until)
            for c in clients:
                c.join(60)
        self.assertEqual([p for c in clients for p in c.problems], [])
        items, models = {f"x{n}": History(None) for n in range(IDS)}, History(1)
        writes = sorted(w for c in clients[:WRITERS] for w in c.writes)
        self.assertEqual(len({seq for seq, _, _ in writes}), len(writes), "two writes have one seq")
        for seq, item, title in writes:
            items[item].seqs.append(seq)
            items[item].states.append(title)
        for seq, generation in activations:
            models.seqs.append(seq)
            models.states.append(generation)
        reads = [r for c in clients[WRITERS:] for r in c.reads]
        for read in reads:
            self.judge(read, items, models)
        for name, seq in snapshots.items():
            copy = os.path.join(snapshots_dir, name)
            self.assert_checked(copy)
            there = {}
            for line in harness.export(copy, "items").splitlines():
                entry = json.loads(line)
                there[entry["id"]] = entry.get("title")
            for item, history in items.items():
                self.assertEqual(there.get(item), history.at(seq), f"{item} in the snapshot at {seq}")
        self.assertGreater(len(writes), 50)
        self.assertGreater(len(reads), 50)
        self.assertGreater(len(snapshots), 0)
        self.assert_checked(store)


if __name__ == "__main__":
    harness.main()
