# SPDX-License-Identifier: Apache-2.0
"""Measures through HTTP how much live updates improve lists: how often they contain a user's next item.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_online.py [--users 6000] [--items 2000]
        [--interactions 90000] [--seeds 1,2,3]

The demo shop has a time line: tastes move, new items appear, new users join. Just before each of the
last 10 % of the interactions, four services are asked for the user's list. It is a hit if the item that
the user then takes is among the 20. Items that the user already has are not listed, so each item
counts once for a user.

    frozen        trained on the first 80 %, told nothing since
    live          trained on the first 80 %, told every item and interaction as it happens
    retrained     trained on the first 90 %, told nothing since
    both          trained on the first 90 %, told everything since: the best case

Live updates keep this share of a retraining's gain: (live - frozen) / (retrained - frozen). The
sampling error of a hit rate p over n interactions is sqrt(p (1 - p) / n).
"""

import argparse
import base64
import json
import math
import os
import re
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

K = 20
MODALITIES = ("text", "image")


def read_npy(path):
    """The rows of a file that stair demo wrote, as bytes of <f4; None for a missing one."""
    with open(path, "rb") as f:
        head = f.read(128)
        rows, width = map(int, re.search(rb"'shape': \((\d+), (\d+)\)", head).groups())
        for _ in range(rows):
            row = f.read(4 * width)
            yield None if math.isnan(struct.unpack("<f", row[:4])[0]) else row


class Shop:
    def __init__(self, folder, users, items, interactions, seed):
        harness.run("demo", "--out", folder, "--users", users, "--items", items, "--interactions", interactions,
                    "--seed", seed)
        with open(os.path.join(folder, "items.jsonl"), encoding="utf-8") as f:
            self.items = [json.loads(line) for line in f]
        for name in MODALITIES:
            for item, row in zip(self.items, read_npy(os.path.join(folder, name + ".npy"))):
                if row is not None:
                    item.setdefault("features", {})[name] = {"dtype": "<f4", "b64": base64.b64encode(row).decode()}
        self.by_id = {item["id"]: item for item in self.items}
        with open(os.path.join(folder, "interactions.inter"), encoding="utf-8") as f:
            next(f)
            events = [line.split("\t") for line in f]
        self.events = sorted((int(time), user, item) for user, item, time in events)

    def cut(self, part):
        return int(len(self.events) * part)

    def store(self, folder, part, epochs):
        """Imports what was known at this point of the time line, and trains on it."""
        os.makedirs(folder)
        known = self.events[:self.cut(part)]
        seen = {item for _, _, item in known}
        with open(os.path.join(folder, "i.tsv"), "w", encoding="utf-8") as f:
            f.write("user\titem\ttimestamp\n")
            f.writelines(f"{user}\t{item}\t{time}\n" for time, user, item in known)
        with open(os.path.join(folder, "items.jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(item) + "\n" for item in self.items if item["id"] in seen)
        store = os.path.join(folder, "store")
        harness.run("import", "--store", store, "--interactions", os.path.join(folder, "i.tsv"), "--items",
                    os.path.join(folder, "items.jsonl"))
        harness.run("train", "--store", store, "--epochs", epochs, "--threads", 2, "--activate", "yes")
        return store, seen


class Teller:
    """Posts items and interactions to a service, each item before its first interaction."""

    def __init__(self, shop, client, known):
        self.shop, self.client, self.known = shop, client, set(known)

    def tell(self, events):
        fresh = [item for item in dict.fromkeys(e[2] for e in events) if item not in self.known]
        for at in range(0, len(fresh), 500):
            part = fresh[at:at + 500]
            self.send("/items", {"items": [self.shop.by_id[item] for item in part]})
            self.known.update(part)
        for at in range(0, len(events), 5000):
            self.send("/interactions", {"interactions": [{"user": user, "item": item, "timestamp": time}
                                                         for time, user, item in events[at:at + 5000]]})

    def send(self, path, body):
        answer = self.client.ask("POST", path, body, contract_check=False)
        if answer.status not in (200, 201):
            raise AssertionError((answer.status, answer.body[:400]))
        count = len(next(iter(body.values())))
        if count > 1 and answer.json["accepted"] != count:
            raise AssertionError(answer.body[:400])


def hits(shop, store, known, first, live):
    """Returns for each event of the last 10 % whether it was a hit. With `live`, everything from `first` on is posted."""
    result = []
    with harness.Server(store) as server:
        teller = Teller(shop, server.client, known)
        start = shop.cut(0.9)
        if live and first < start:
            teller.tell(shop.events[first:start])
        for event in shop.events[start:]:
            _, user, item = event
            answer = server.client.ask("GET", f"/recommend?user={user}&k={K}", contract_check=False)
            result.append(item in answer.items)
            if live:
                teller.tell([event])
    return result


def measure(seed, a):
    """Prints the figures of the four services of one shop; returns the share of the gain that live updates keep."""
    folder = tempfile.mkdtemp(prefix="stair-online-")
    try:
        shop = Shop(os.path.join(folder, "shop"), a.users, a.items, a.interactions, seed)
        rate = {}
        for part, still, moving in ((0.8, "frozen", "live"), (0.9, "retrained", "both")):
            store, known = shop.store(os.path.join(folder, str(part)), part, a.epochs)
            for name, live in ((still, False), (moving, True)):
                copy = os.path.join(folder, name)
                shutil.copytree(store, copy)
                found = hits(shop, copy, known, shop.cut(part), live)
                rate[name] = sum(found) / len(found)
        gain = rate["retrained"] - rate["frozen"]
        kept = (rate["live"] - rate["frozen"]) / gain if gain > 0 else math.nan
        print(f"  seed {seed}, {len(found)} interactions, next item among {K}: "
              + ", ".join(f"{name} {value:.4f}" for name, value in rate.items())
              + f"; live keeps {kept:.0%} of a retrain's gain", flush=True)
        return kept
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=6000)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--interactions", type=int, default=90000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", default="1")
    a = parser.parse_args()
    kept = [measure(int(seed), a) for seed in a.seeds.split(",")]
    print(json.dumps({"kept_of_the_retrains_gain": round(sum(kept) / len(kept), 3)}))


if __name__ == "__main__":
    main()
