# SPDX-License-Identifier: Apache-2.0
"""Compares two releases and itemknn on lists for sessions and on similar items, through HTTP.

    STAIR_A=OLD/stair STAIR_B=build/release/stair /usr/bin/python3 tests/bench/bench_sessions.py
        [--data FOLDER] [--given 1,2] [--seed 1] [--train-a "OPTIONS"] [--train-b "OPTIONS"] [--threads 2]

FOLDER holds interactions.inter, and may hold items.jsonl and NAME_feat.npy. Without FOLDER, the data are the films of
tests/support/movies.py. Interactions are split anew at random: 65, 15 and 20 %. Both releases import and train on a
file without the last part, so neither has seen it. Of each user's items in that part, in the order of the file, the
first N are given as a session, and the rest are to be found. With one given item, GET /similar is measured too. Items
that the user already has in the imported file are masked, because they cannot be right answers. itemknn counts the
same interactions as the services, with shrinkage 100 (as `stair eval` has it) and with shrinkage 10.

Without STAIR_A the release STAIR_B is measured alone.
"""

import argparse
import collections
import math
import os
import random
import shlex
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402
import movies  # noqa: E402

K, BATCH, LISTED_MAX = 20, 200, 1000
SHRINKAGES = (100, 10)


class Split:
    """The file that both releases import, and what they do not see."""

    def __init__(self, source, path, seed):
        chance = random.Random(seed)
        self.known, self.held = collections.defaultdict(list), collections.defaultdict(list)
        with open(source, encoding="utf-8") as whole, open(path, "w", encoding="utf-8") as f:
            head = next(whole).rstrip("\n").split("\t")
            time = ("\ttimestamp" if "timestamp" in head else "")
            f.write("userID\titemID\tx_label" + time + "\n")
            for line in whole:
                user, item, _, *when = line.rstrip("\n").split("\t")
                part = chance.choices([0, 1, 2], [65, 15, 20])[0]
                if part == 2:
                    self.held[user].append(item)
                    continue
                self.known[user].append(item)
                f.write("\t".join([user, item, str(part)] + (when if time else [])) + "\n")

    def cases(self, given):
        """(masked, given, to be found) for each user with enough items that the services know."""
        items = {item for known in self.known.values() for item in known}
        for user, held in self.held.items():
            held = [item for item in held if item in items]
            if len(held) > given and user in self.known:
                yield self.known[user] + held[:given], held[:given], set(held[given:])


class Nearest:
    """itemknn: the sum of the given items' shrunk cosines."""

    def __init__(self, known):
        self.known, self.takers = known, collections.defaultdict(list)
        for user, items in known.items():
            for item in items:
                self.takers[item].append(user)
        self.count = {item: len(users) for item, users in self.takers.items()}

    def near(self, item, shrinkage):
        both = collections.Counter(other for user in self.takers[item] for other in self.known[user])
        mine = self.count[item]
        return {other: n / (math.sqrt(mine * self.count[other]) + shrinkage) for other, n in both.items()}

    def lists(self, cases, shrinkage):
        for masked, given, _ in cases:
            sums, taken = collections.Counter(), set(masked)
            for item in given:
                for other, value in self.near(item, shrinkage).items():
                    sums[other] += value if other not in taken else 0
            yield [item for item, value in sums.most_common(K) if value > 0]


class Release:
    def __init__(self, binary, folder, imported, options):
        harness.STAIR = self.binary = binary
        self.store = os.path.join(folder, "store")
        harness.run("import", "--store", self.store, *imported)
        trained = harness.run_json("train", "--store", self.store, "--activate", "yes", *options, timeout=36000)
        print(f"{binary}: best epoch {trained['best_epoch']} of {trained['epochs']}", flush=True)

    def serve(self):
        harness.STAIR = self.binary
        return harness.Server(self.store)


def session_lists(client, cases):
    for first in range(0, len(cases), BATCH):
        asked = [{"items": [{"item": item} for item in given], "k": K, "exact": True,
                  "exclude_items": masked[:LISTED_MAX]} for masked, given, _ in cases[first:first + BATCH]]
        answer = client.post("/recommend/batch", {"requests": asked}, contract_check=False)
        if answer.status != 200:
            raise SystemExit(f"bench_sessions: {answer.status} {answer.body[:300]}")
        for result in answer.json["results"]:
            yield [hit["item"] for hit in result["items"]]


def similar_lists(client, cases):
    for masked, given, _ in cases:
        taken, k = set(masked), min(K + len(masked), LISTED_MAX)
        answer = client.get("/similar", {"item": given[0], "k": k}, contract_check=False)
        if answer.status != 200:
            raise SystemExit(f"bench_sessions: {answer.status} {answer.body[:300]}")
        yield [item for item in answer.items if item not in taken][:K]


def judge(name, cases, lists):
    recall = ndcg = 0
    for (_, _, wanted), listed in zip(cases, lists, strict=True):
        hits = [1 / math.log2(rank + 2) for rank, item in enumerate(listed) if item in wanted]
        recall += len(hits) / len(wanted)
        ndcg += sum(hits) / sum(1 / math.log2(rank + 2) for rank in range(min(K, len(wanted))))
    print(f"  {name:<24} Recall@{K} {recall / len(cases):.4f}  NDCG@{K} {ndcg / len(cases):.4f}", flush=True)


def measure(split, releases, counts):
    nearest = Nearest(split.known)
    for count in counts:
        cases = list(split.cases(count))
        print(f"{count} given, {len(cases)} users")
        for shrinkage in SHRINKAGES:
            judge(f"itemknn, shrinkage {shrinkage}", cases, nearest.lists(cases, shrinkage))
        for name, release in releases.items():
            with release.serve() as server:
                judge(f"{name}, session", cases, session_lists(server.client, cases))
                if count == 1:
                    judge(f"{name}, similar", cases, similar_lists(server.client, cases))


def sources(data, folder):
    """The interactions, and the options that import the items and features beside them."""
    if data is None:
        movies.write(os.path.join(folder, "films.inter"))
        return os.path.join(folder, "films.inter"), []
    options = []
    if os.path.exists(os.path.join(data, "items.jsonl")):
        options += ["--items", os.path.join(data, "items.jsonl")]
    for file in sorted(os.listdir(data)):
        if file.endswith("_feat.npy"):
            options += ["--features", f"{file[:-9]}=" + os.path.join(data, file)]
    return os.path.join(data, "interactions.inter"), options


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--given", default="1,2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train-a", default="")
    parser.add_argument("--train-b", default="")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stair-bench-") as folder:
        source, imported = sources(options.data, folder)
        path = os.path.join(folder, "known.inter")
        split = Split(source, path, options.seed)
        releases = {}
        for name, more in (("A", options.train_a), ("B", options.train_b)):
            binary = os.environ.get("STAIR_" + name, "" if name == "A" else harness.STAIR)
            if binary:
                inside = os.path.join(folder, name)
                os.makedirs(inside)
                train = ["--seed", options.seed, "--threads", options.threads, *shlex.split(more)]
                releases[name] = Release(os.path.abspath(binary), inside, ["--interactions", path, *imported], train)
        measure(split, releases, [int(count) for count in options.given.split(",")])


if __name__ == "__main__":
    main()
