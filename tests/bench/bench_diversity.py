#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The price of diversity: Recall and the likeness within a list at every step of `diversity`, on sports.

The test interactions are not imported, so the service may list their items. The likeness of a list is
the mean cosine over the pairs of its items' vectors. All requests go through HTTP.

Usage: bench_diversity.py [USERS [EPOCHS]]
"""

import itertools
import math
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

K = 20
STEPS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


def split(source, target):
    """Copies all but the test interactions; returns {user: held-out items}."""
    held = {}
    with open(source, encoding="utf-8") as f, open(target, "w", encoding="utf-8") as out:
        header = next(f)
        out.write(header)
        names = [name.split(":")[0] for name in header.rstrip("\n").split("\t")]
        user, item, label = (names.index(name) for name in ("userID", "itemID", "x_label"))
        for line in f:
            cells = line.rstrip("\n").split("\t")
            if cells[label] == "2":
                held.setdefault(cells[user], set()).add(cells[item])
            else:
                out.write(line)
    return held


class Vectors:
    """Unit vectors of items; each is requested once."""

    def __init__(self, client):
        self.client, self.kept = client, {}

    def get(self, item):
        if item not in self.kept:
            answer = self.client.get("/items/" + item, {"embedding": "true", "fields": ""}, contract_check=False)
            vector = answer.json["embedding"]
            norm = math.sqrt(sum(x * x for x in vector)) or 1.0
            self.kept[item] = [x / norm for x in vector]
        return self.kept[item]

    def likeness(self, items):
        pairs = list(itertools.combinations([self.get(item) for item in items], 2))
        return sum(sum(x * y for x, y in zip(a, b)) for a, b in pairs) / len(pairs)


def measure(client, held, users, vectors, step):
    recall = likeness = 0.0
    listed = set()
    for user in users:
        items = client.get("/recommend", {"user": user, "k": K, "diversity": step}, contract_check=False).items
        recall += len(held[user] & set(items)) / len(held[user])
        likeness += vectors.likeness(items)
        listed.update(items)
    return recall / len(users), likeness / len(users), len(listed)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    epochs = sys.argv[2] if len(sys.argv) > 2 else "30"
    shared = os.path.join(harness.SHARED_DATA, "sports")
    if not os.path.isdir(shared):
        harness.not_run("bench_diversity needs " + os.path.join("..", "shared", "data", "sports"))
        return 0
    folder = tempfile.mkdtemp(prefix="stair-diversity-")
    try:
        held = split(os.path.join(shared, "interactions.inter"), os.path.join(folder, "seen.inter"))
        store = os.path.join(folder, "store")
        harness.run("import", "--store", store, "--interactions", os.path.join(folder, "seen.inter"), "--items",
                    os.path.join(shared, "items.jsonl"), "--features", "text=" + os.path.join(shared, "text_feat.npy"),
                    "--features", "category=" + os.path.join(shared, "category_feat.npy"))
        harness.run("train", "--store", store, "--epochs", epochs, "--lr", "3e-3", "--batch", "8192", "--eval-every", "10",
                    "--activate", "yes", timeout=3600)
        with harness.Server(store) as server:
            users = random.Random(1).sample(sorted(held), count)
            vectors = Vectors(server.client)
            print(f"diversity on sports, {count} users, {epochs} epochs, lists of {K}")
            print(f"{'diversity':>9} {'Recall@20':>10} {'likeness':>9} {'items listed':>13}")
            before = 2.0
            for step in STEPS:
                recall, likeness, listed = measure(server.client, held, users, vectors, step)
                print(f"{step:9} {recall:10.4f} {likeness:9.4f} {listed:13}", flush=True)
                if likeness > before + 1e-6:
                    print("likeness within the lists grew with diversity")
                    return 1
                before = likeness
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
