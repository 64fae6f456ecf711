# SPDX-License-Identifier: Apache-2.0
"""The cost of writes, and how soon a read shows them, measured through HTTP on the demo shop.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_writes.py [--items 10000] [--seconds 4] [--json FILE]

Every write is acknowledged after an fsync, so the rates depend on the disk. The bench therefore prints
the time of a commit too. The ratio of 32 clients to one client tells what group commit gains.

- Freshness: a posted item must be in the next list of its category, and after a posted interaction
  the item must be missing from the user's next list.
- Reads under writes: p99 of /recommend while 2,000 interactions a second are written, and without them.
"""

import argparse
import base64
import http.client
import json
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.environ.get("STAIR", os.path.join(ROOT, "build", "release", "stair"))
JSON = {"Content-Type": "application/json"}
WIDTH = 128

LUA_INTERACTION = """
local n = tonumber(os.getenv("BENCH_FIRST"))
request = function()
  n = n + 1
  return wrk.format("POST", "/interactions", {["Content-Type"] = "application/json"},
    string.format('{"user":"w%d","item":"sku-%d"}', n, n % 500))
end
"""
LUA_ITEM = """
local n = tonumber(os.getenv("BENCH_FIRST"))
request = function()
  n = n + 1
  return wrk.format("POST", "/items", {["Content-Type"] = "application/json"},
    string.format('{"id":"w%d","title":"Item %d","categories":["bench"]}', n, n))
end
"""
DONE = """
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.read + summary.errors.connect + summary.errors.timeout
  io.write(string.format("BENCH %d %d %d %d %d\\n", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99)))
end
"""
first = 0


def wrk(address, script, clients, seconds):
    global first
    first += 10_000_000
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write(script + DONE)
        f.flush()
        text = subprocess.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", f.name, f"http://{address}/"],
                              capture_output=True, text=True, check=True,
                              env=dict(os.environ, BENCH_FIRST=str(first))).stdout
    requests, duration, bad, p50, p99 = map(int, re.search(r"BENCH (.*)", text).group(1).split())
    if bad:
        raise SystemExit(f"bench_writes: {bad} of {requests} writes failed\n{text}")
    return {"rate": requests / duration * 1e6, "p50_ms": p50 / 1000, "p99_ms": p99 / 1000}


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, JSON if data is not None else {})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"bench_writes: {method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text.startswith(b"{") else text.decode()


def metric(address, name):
    text = Client(address).call("GET", "/metrics")
    found = re.search(rf"^{name} (\S+)$", text, re.M)
    return float(found.group(1))


def commit_ms(address, before):
    count = metric(address, "stair_write_commit_duration_seconds_count") - before[0]
    total = metric(address, "stair_write_commit_duration_seconds_sum") - before[1]
    ops = metric(address, "stair_write_group_ops_sum") - before[2]
    return (1000 * total / count, ops / count) if count else (0, 0)


def commit_state(address):
    return tuple(metric(address, n) for n in ("stair_write_commit_duration_seconds_count",
                                              "stair_write_commit_duration_seconds_sum", "stair_write_group_ops_sum"))


def features(rng):
    return {"dtype": "<f4", "b64": base64.b64encode(struct.pack(f"<{WIDTH}f", *(rng.gauss(0, 1) for _ in range(WIDTH)))).decode()}


def batches(address, count, rounds, rng):
    """Items a second in batches with features; bodies are made before the clock starts."""
    bodies = []
    for r in range(rounds):
        items = [{"id": f"b{count}-{r}-{i}-{rng.random()}", "title": "Batch item", "features": {"image": features(rng)}}
                 for i in range(count)]
        bodies.append(json.dumps({"items": items}))
    client = Client(address)
    started = time.perf_counter()
    for body in bodies:
        client.connection.request("POST", "/items", body, JSON)
        answer = client.connection.getresponse()
        text = json.loads(answer.read())
        if text.get("accepted") != count:
            raise SystemExit(f"bench_writes: a batch was refused: {str(text)[:300]}")
    return count * rounds / (time.perf_counter() - started)


def interaction_batches(address, count, rounds):
    bodies = [json.dumps({"interactions": [{"user": f"ib{r}-{i % 97}", "item": f"sku-{(r * 31 + i) % 500}"}
                                           for i in range(count)]}) for r in range(rounds)]
    client = Client(address)
    started = time.perf_counter()
    for body in bodies:
        client.connection.request("POST", "/interactions", body, JSON)
        answer = client.connection.getresponse()
        if json.loads(answer.read()).get("accepted") != count:
            raise SystemExit("bench_writes: a batch of interactions was refused")
    return count * rounds / (time.perf_counter() - started)


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(p * len(values)))]


def freshness(address, users, rounds, rng):
    """Milliseconds from the start of a write to its answer, and to the first list that includes it."""
    client = Client(address)
    acknowledged, visible, seen_acknowledged, seen_visible, late = [], [], [], [], 0
    for i in range(rounds):
        name = f"fresh-{rng.random()}"
        started = time.perf_counter()
        client.call("POST", "/items", {"id": name, "categories": [name], "features": {"image": features(rng)}})
        acknowledged.append(time.perf_counter() - started)
        found = client.call("GET", f"/recommend?user={rng.choice(users)}&category={name}")
        visible.append(time.perf_counter() - started)
        late += 0 if [x["item"] for x in found["items"]] == [name] else 1
        user = rng.choice(users)
        before = client.call("GET", f"/recommend?user={user}")
        item = before["items"][0]["item"]
        started = time.perf_counter()
        client.call("POST", "/interactions", {"user": user, "item": item})
        seen_acknowledged.append(time.perf_counter() - started)
        after = client.call("GET", f"/recommend?user={user}")
        seen_visible.append(time.perf_counter() - started)
        late += 1 if item in [x["item"] for x in after["items"]] or after["items"] == before["items"] else 0
    return {"late": late, "rounds": rounds,
            **{f"{name}_{label}_ms": 1000 * percentile(values, p)
               for name, values in (("item_acknowledged", acknowledged), ("item_visible", visible),
                                    ("interaction_acknowledged", seen_acknowledged),
                                    ("interaction_visible", seen_visible))
               for label, p in (("p50", 0.5), ("p99", 0.99))}}


def reads_under_writes(address, seconds, rate):
    """p99 of /recommend from one connection, alternating without and with writes at `rate` a second."""
    stop = threading.Event()
    written = [0]

    def write():
        client = Client(address)
        batch = 10
        started = time.perf_counter()
        while not stop.is_set():
            if written[0] > rate * (time.perf_counter() - started):
                time.sleep(0.001)
                continue
            n = written[0]
            body = {"interactions": [{"user": f"ruw{n + j}", "item": f"sku-{(n + j) % 500}"} for j in range(batch)]}
            client.call("POST", "/interactions", body)
            written[0] += batch

    def p99():
        text = subprocess.run(["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency", f"http://{address}/recommend?user=user-7"],
                              capture_output=True, text=True, check=True).stdout
        value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    without, with_writes, rates = [], [], []
    for _ in range(3):
        without.append(p99())
        stop.clear()
        written[0] = 0
        thread = threading.Thread(target=write)
        started = time.perf_counter()
        thread.start()
        with_writes.append(p99())
        stop.set()
        thread.join()
        rates.append(written[0] / (time.perf_counter() - started))
    ratio = statistics.median(a / b for a, b in zip(with_writes, without))
    return {"p99_without_ms": statistics.median(without), "p99_with_ms": statistics.median(with_writes),
            "ratio": ratio, "writes_per_second": statistics.median(rates)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--items", type=int, default=10000)
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--json")
    o = arguments.parse_args()
    rng = random.Random(1)
    folder = tempfile.mkdtemp(prefix="stair-bench-", dir=os.path.join(ROOT, "build"))
    shop, store = os.path.join(folder, "shop"), os.path.join(folder, "store")
    run = lambda *a: subprocess.run([STAIR, *map(str, a)], check=True, capture_output=True, text=True)  # noqa: E731
    run("demo", "--out", shop, "--items", o.items, "--users", 5000, "--interactions", 60000, "--image-dim", WIDTH)
    run("import", "--store", store, "--interactions", f"{shop}/interactions.inter", "--items", f"{shop}/items.jsonl",
        "--features", f"text={shop}/text.npy", "--features", f"image={shop}/image.npy")
    run("train", "--store", store, "--epochs", 3)
    users = [f"user-{n}" for n in range(200)]
    result = {}
    server = subprocess.Popen([STAIR, "serve", "--store", store, "--listen", "127.0.0.1:0", "--access-log", "none"],
                              stderr=subprocess.PIPE, text=True)
    try:
        address = next(m.group(1) for line in server.stderr for m in [re.search(r"event=listening address=(\S+)", line)] if m)
        threading.Thread(target=server.stderr.read, daemon=True).start()
        for name, script in (("interactions", LUA_INTERACTION), ("items", LUA_ITEM)):
            for clients in (1, 32):
                before = commit_state(address)
                measured = wrk(address, script, clients, o.seconds)
                measured["commit_ms"], measured["group"] = commit_ms(address, before)
                result[f"{name}_{clients}"] = measured
        result["interactions_batch_1000"] = {"rate": interaction_batches(address, 1000, 20)}
        result["items_batch_1000_features"] = {"rate": batches(address, 1000, 10, rng)}
        result["freshness"] = freshness(address, users, 200, rng)
        result["reads_under_writes"] = reads_under_writes(address, o.seconds, 2000)
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder)
    if o.json:
        with open(o.json, "w") as f:
            json.dump(result, f, indent=1)
    print("| writes, each acknowledged after fsync | a second | p50 ms | p99 ms | commit ms | writes a commit |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ("interactions", "items"):
        for clients in (1, 32):
            m = result[f"{name}_{clients}"]
            print(f"| {name}, {clients} client{'s' if clients > 1 else ''} | {m['rate']:.0f} | {m['p50_ms']:.2f} | "
                  f"{m['p99_ms']:.2f} | {m['commit_ms']:.2f} | {m['group']:.1f} |")
        gain = result[f"{name}_32"]["rate"] / result[f"{name}_1"]["rate"]
        print(f"| {name}, 32 over 1 | {gain:.1f} times | | | | |")
    print(f"| interactions in batches of 1,000 | {result['interactions_batch_1000']['rate']:.0f} | | | | |")
    print(f"| items with {WIDTH} floats in base64, batches of 1,000 | {result['items_batch_1000_features']['rate']:.0f} | | | | |")
    f, r = result["freshness"], result["reads_under_writes"]
    print("\n| freshness, one client | p50 ms | p99 ms |\n| --- | --- | --- |")
    for key, text in (("item_acknowledged", "item acknowledged"), ("item_visible", "item in the next list"),
                      ("interaction_acknowledged", "interaction acknowledged"),
                      ("interaction_visible", "interaction changed the next list")):
        print(f"| {text} | {f[key + '_p50_ms']:.2f} | {f[key + '_p99_ms']:.2f} |")
    print(f"\nnot seen by the next read: {f['late']} of {2 * f['rounds']}")
    print(f"reads' p99 with {r['writes_per_second']:.0f} writes a second: {r['p99_with_ms']:.2f} ms, without: "
          f"{r['p99_without_ms']:.2f} ms, ratio {r['ratio']:.2f}")
    if f["late"]:
        sys.exit("bench_writes: an acknowledged write was not seen by the next read")


if __name__ == "__main__":
    main()
