# SPDX-License-Identifier: Apache-2.0
"""What words cost a service: the rate of posted items that have only words, and the processor time of one.

They are measured beside items with a given vector of the same width, items with the same texts whose generation
has no words, and items without any content. The generations are trained on the same demo shop. The rounds
alternate, so that other work on the machine affects all alike. The last line is a JSON document.
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


def processor_seconds(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def post(server, kind, name):
    """Returns items per second, and microseconds of the server's processor time per item."""
    client = server.new_client()  # an idle connection has been closed
    bodies = [[item(kind, f"{name}-{batch}-{i}") for i in range(BATCH)] for batch in range(BATCHES)]
    began, used = time.monotonic(), processor_seconds(server)
    for items in bodies:
        assert client.post("/items", {"items": items}, contract_check=False).status == 200
    seconds, used = time.monotonic() - began, processor_seconds(server) - used
    for batch in range(BATCHES):
        client.post("/items/delete", {"ids": [f"{name}-{batch}-{i}" for i in range(BATCH)]}, contract_check=False)
    return BATCHES * BATCH / seconds, used * 1e6 / (BATCHES * BATCH)


def main():
    with tempfile.TemporaryDirectory() as folder:
        files = os.path.join(folder, "shop")
        harness.run("demo", "--out", files, "--text-dim", str(WIDTH))
        servers = {}
        for kind in ("nothing", "texts", "vectors", "words"):
            store = os.path.join(folder, kind)
            text = ["--features", f"text={os.path.join(files, 'text.npy')}"] if kind == "vectors" else []
            harness.run("import", "--store", store, "--interactions", os.path.join(files, "interactions.inter"), "--items",
                        os.path.join(files, "items.jsonl"), *text)
            harness.run("train", "--store", store, "--epochs", "5", "--activate", "yes",
                        *(["--words", "no"] if kind == "texts" else []))
            servers[kind] = harness.Server(store, "--access-log", "none")
        rates = {kind: [] for kind in servers}
        for number in range(ROUNDS):
            for kind, server in servers.items():
                rates[kind].append(post(server, kind, f"r{number}"))
        for server in servers.values():
            server.stop()
        middle = {kind: [statistics.median(column) for column in zip(*rates[kind])] for kind in rates}
        for kind, (rate, used) in middle.items():
            print(f"items with {kind}: {rate:.0f} posted in a second, {used:.0f} us of processor time each")
        print(json.dumps({f"words_over_{kind}": round(middle["words"][0] / middle[kind][0], 3)
                          for kind in ("vectors", "texts", "nothing")}))


if __name__ == "__main__":
    main()
