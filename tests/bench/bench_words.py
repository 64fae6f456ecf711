# SPDX-License-Identifier: Apache-2.0
"""What words cost a service: the rate of posted items that have only words, beside items with a given vector of
the same width, and beside items without any content.

The generations are trained on the same demo shop. The rounds alternate, so that other work on the machine
affects all alike. The last line is a JSON document.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

ROUNDS, BATCHES, BATCH, WIDTH = 5, 10, 100, 384
TEXT = "A rustic camp stove for two, rough and warm, made to last and good for every day in the garden or on the road. "


def item(kind, name):
    made = {"id": name}
    if kind != "nothing":
        made.update(title="Rustic camp stove " + name, description=TEXT * 2)
    if kind == "vectors":
        made["features"] = {"text": [round(random.gauss(0, 1), 4) for _ in range(WIDTH)]}
    return made


def post(client, kind, name):
    bodies = [[item(kind, f"{name}-{batch}-{i}") for i in range(BATCH)] for batch in range(BATCHES)]
    began = time.monotonic()
    for items in bodies:
        assert client.post("/items", {"items": items}, contract_check=False).status == 200
    seconds = time.monotonic() - began
    for batch in range(BATCHES):
        client.post("/items/delete", {"ids": [f"{name}-{batch}-{i}" for i in range(BATCH)]}, contract_check=False)
    return BATCHES * BATCH / seconds


def main():
    with tempfile.TemporaryDirectory() as folder:
        files = os.path.join(folder, "shop")
        harness.run("demo", "--out", files, "--text-dim", str(WIDTH))
        servers = {}
        for kind in ("nothing", "vectors", "words"):
            store = os.path.join(folder, kind)
            text = ["--features", f"text={os.path.join(files, 'text.npy')}"] if kind == "vectors" else []
            harness.run("import", "--store", store, "--interactions", os.path.join(files, "interactions.inter"), "--items",
                        os.path.join(files, "items.jsonl"), *text)
            harness.run("train", "--store", store, "--epochs", "5", "--activate", "yes")
            servers[kind] = harness.Server(store, "--access-log", "none")
        rates = {kind: [] for kind in servers}
        for number in range(ROUNDS):
            for kind, server in servers.items():
                rates[kind].append(post(server.client, kind, f"r{number}"))
        for server in servers.values():
            server.stop()
        middle = {kind: statistics.median(rates[kind]) for kind in rates}
        for kind, rate in middle.items():
            print(f"items with {kind}: {rate:.0f} posted in a second")
        print(json.dumps({"words_over_vectors": round(middle["words"] / middle["vectors"], 3),
                          "words_over_nothing": round(middle["words"] / middle["nothing"], 3)}))


if __name__ == "__main__":
    main()
