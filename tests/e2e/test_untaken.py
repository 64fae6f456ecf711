# SPDX-License-Identifier: Apache-2.0
"""Items that nobody has taken keep their places when the next training has seen them."""

import json
import os
import statistics
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SHOP = ["--users", 1200, "--items", 600, "--interactions", 18000, "--text-dim", 24, "--image-dim", 32, "--seed", 3]
TRAIN = ["--epochs", 20, "--dim", 32, "--threads", 2, "--activate", "yes"]


def read_rows(path):
    with open(path, "rb") as f:
        head = f.read(10)
        shape = f.read(struct.unpack("<H", head[8:10])[0]).decode("ascii").split("(")[1].split(")")[0].split(",")
        rows, width = int(shape[0]), int(shape[1])
        return [list(struct.unpack(f"<{width}f", f.read(4 * width))) for _ in range(rows)]


def write_rows(path, rows):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (118 - len(header) - 1) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("ascii"))
        for row in rows:
            f.write(struct.pack(f"<{len(row)}f", *row))


def place_of(item, items):
    return items.index(item) if item in items else len(items)


class Untaken(harness.TestCase):
    def open_shop(self):
        """Makes a trained shop that lacks every twelfth item. Returns the missing items as bodies of POST /items."""
        files, store, known = self.path("files"), self.path("store"), self.path("known")
        os.makedirs(known)
        harness.run("demo", "--out", files, *SHOP)
        with open(os.path.join(files, "items.jsonl"), encoding="utf-8") as f:
            items = [json.loads(line) for line in f]
        tables = {name: read_rows(os.path.join(files, name + ".npy")) for name in ("text", "image")}
        new = {items[row]["id"]: row for row in range(5, len(items), 12)}
        with open(os.path.join(known, "items.jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(item) + "\n" for item in items if item["id"] not in new)
        for name, rows in tables.items():
            kept = [row for at, row in enumerate(rows) if items[at]["id"] not in new]
            write_rows(os.path.join(known, name + ".npy"), kept)
        with open(os.path.join(files, "interactions.inter"), encoding="utf-8") as f, \
                open(os.path.join(known, "interactions.inter"), "w", encoding="utf-8") as to:
            to.writelines(line for line in f if line.split("\t")[1] not in new)
        harness.run("import", "--store", store, *harness.import_arguments(known))
        harness.run("train", "--store", store, *TRAIN)
        bodies = []
        for item, row in new.items():
            features = {name: rows[row] for name, rows in tables.items() if rows[row][0] == rows[row][0]}
            bodies.append({**items[row], "categories": items[row]["categories"] + ["unsold"], "features": features})
        return store, bodies

    @staticmethod
    def ask(server, users):
        """Each user's list of everything, and of the new items alone."""
        every, new = {}, {}
        for user in users:
            query = {"user": user, "k": 300}
            every[user] = server.client.get("/recommend", query).items
            new[user] = server.client.get("/recommend", {**query, "k": 50, "category": "unsold"}).items
        return every, new

    def test_they_keep_their_places_and_their_order(self):
        store, bodies = self.open_shop()
        with harness.Server(store) as server:
            for body in bodies:
                self.assertLess(server.client.post("/items", body).status, 300)
            users = [f"user-{n}" for n in range(0, 1200, 10)]
            before, new_before = self.ask(server, users)
        harness.run("train", "--store", store, *TRAIN)
        with harness.Server(store) as server:
            after, new_after = self.ask(server, users)
        kept, places = 0, []
        for user in users:
            listed = [item for item in before[user][:20] if item in new_before[user]]
            places += [(before[user].index(item), place_of(item, after[user])) for item in listed]
            kept += len(set(new_before[user][:10]) & set(new_after[user][:10]))
        old, now = (statistics.median(pair[n] for pair in places) for n in (0, 1))
        print(f"MEASURED: {len(places)} new items among the first 20: median place {old} before a training, {now} "
              f"after; of the first ten new items, {kept / len(users):.1f} stay among them")
        self.assertGreater(len(places), 50)
        self.assertLess(now, old + 4)
        self.assertGreater(kept, 8.8 * len(users))


if __name__ == "__main__":
    harness.main()
