# SPDX-License-Identifier: Apache-2.0
"""Three nodes and three NATS servers on one machine, beside a single node of the same store.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_cluster.py [--rounds 3] [--seconds 3]

It measures durable writes by 32 clients, and reads of one node. The single node and the cluster run in
turns (single, cluster, single, ...), and the figure is the median of the rounds' ratios. Every commit and
every message is synced, all on one disk.

It also prints:
- how many writes a message carried;
- how far the other nodes were behind at half of the cluster's rate: the time from a write's answer at one
  node until another node answers a read that asks for that write;
- the processor time per write of each kind of process (user and system). With fewer processors than busy
  processes, this limits the rate.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "cluster")]
import bench_serve  # noqa: E402
import harness  # noqa: E402
import nats  # noqa: E402

CLIENTS = 32
WRITES = """
math.randomseed(tonumber(os.getenv("BENCH_SEED")))
request = function()
  local user, item = math.random(0, 399), math.random(0, 299)
  return wrk.format("POST", "/interactions", {["Content-Type"] = "application/json"},
    string.format('{"user":"w%d","item":"sku-%d"}', user, item))
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.read + summary.errors.connect + summary.errors.timeout
  io.write(string.format("BENCH %d %d %d %d %d\\n", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99)))
end
"""


def write(address, seconds, seed, clients=CLIENTS):
    """Returns writes a second, and the latencies in microseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRITES)
        script.flush()
        text = subprocess.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", script.name, f"http://{address}/"],
                              capture_output=True, text=True, check=True,
                              env=dict(os.environ, BENCH_SEED=str(seed))).stdout
    requests, duration, bad, p50, p99 = map(int, text[text.index("BENCH ") + 6:].split()[:5])
    if bad:
        raise SystemExit(f"bench_cluster: {bad} of {requests} writes failed\n{text}")
    return {"rate": requests / duration * 1e6, "p50": p50, "p99": p99}


def lag(writer, readers, rate, seconds):
    """Milliseconds from a write's answer until each other node's answers include that write."""
    found, until = [], time.monotonic() + seconds
    threads = max(1, min(16, round(rate / 100)))

    def one(number):
        ask = [http.client.HTTPConnection(node.address, timeout=30) for node in (writer, *readers)]
        pause = threads / rate
        for count in range(10 ** 9):
            began = time.monotonic()
            if began > until:
                return
            ask[0].request("POST", "/interactions", json.dumps({"user": f"l{number}", "item": f"sku-{count % 300}"}),
                           {"Content-Type": "application/json"})
            seq = json.loads(ask[0].getresponse().read()).get("seq")
            if seq is None:
                continue  # refused: the machine is too busy for the servers' leases
            at = time.monotonic()
            reader = ask[1 + count % len(readers)]
            reader.request("GET", f"/popular?k=1&min_seq={seq}")
            if reader.getresponse().read() and count > 5:
                found.append(1000 * (time.monotonic() - at))
            time.sleep(max(0, pause - (time.monotonic() - began)))

    all_of_them = [threading.Thread(target=one, args=(n,)) for n in range(threads)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join()
    found.sort()
    return found[len(found) // 2], found[int(0.99 * len(found))], len(found) / seconds


def processor_seconds(pids):
    """User and system time that these processes have taken."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Processors:
    """Processor time per write, by kind of process, over all rounds of a rate."""

    def __init__(self, kinds):
        self.kinds, self.spent, self.writes = kinds, dict.fromkeys(kinds, 0.0), 0

    def during(self, run, seconds):
        before = {kind: processor_seconds(pids) for kind, pids in self.kinds.items()}
        done = run()
        for kind, pids in self.kinds.items():
            self.spent[kind] += processor_seconds(pids) - before[kind]
        self.writes += done["rate"] * seconds
        return done

    def text(self):
        return ", ".join(f"{kind} {1e6 * spent / self.writes:.0f} us" for kind, spent in self.spent.items())


def last(node):
    return node.client.get("/cluster").json["log"]["last"]


def measure(single, group, servers, options):
    writes, ones, reads, messages = [], [], [], []
    first = group[0]
    pid = {node: node.process.pid for node in (single, *group)}
    alone_spent = Processors({"single node": [pid[single]]})
    spent = Processors({"this node": [pid[first]], "the other nodes": [pid[node] for node in group[1:]],
                        "NATS servers": [one.pid() for one in servers.all]})
    for i in range(options.rounds):
        alone = alone_spent.during(lambda: write(single.address, options.seconds, 2 * i), options.seconds)
        before = last(first)
        together = spent.during(lambda: write(first.address, options.seconds, 2 * i + 1), options.seconds)
        time.sleep(1.5)
        messages.append(together["rate"] * options.seconds / max(1, last(first) - before))
        writes.append((alone, together))
        ones.append(tuple(write(node.address, options.seconds, 2 * i, 1) for node in (single, first)))
        reads.append(tuple(bench_serve.wrk(node.address, "/recommend?user=user-1&k=20", 400, options.seconds)["rate"]
                           for node in (single, first)))
    ratio = statistics.median(b["rate"] / a["rate"] for a, b in writes)
    print(f"writes, {CLIENTS} clients: single {statistics.median(a['rate'] for a, _ in writes):.0f}/s "
          f"(p99 {statistics.median(a['p99'] for a, _ in writes) / 1000:.1f} ms), "
          f"cluster {statistics.median(b['rate'] for _, b in writes):.0f}/s "
          f"(p99 {statistics.median(b['p99'] for _, b in writes) / 1000:.1f} ms), ratio {ratio:.2f} "
          f"({min(b['rate'] / a['rate'] for a, b in writes):.2f} to {max(b['rate'] / a['rate'] for a, b in writes):.2f}); "
          f"{statistics.median(messages):.1f} writes a message")
    print(f"processor time per write: {alone_spent.text()}; in the cluster {spent.text()}")
    print(f"writes, 1 client: single {statistics.median(a['rate'] for a, _ in ones):.0f}/s, "
          f"cluster {statistics.median(b['rate'] for _, b in ones):.0f}/s "
          f"(p50 {statistics.median(b['p50'] for _, b in ones) / 1000:.2f} ms), "
          f"ratio {statistics.median(b['rate'] / a['rate'] for a, b in ones):.2f}")
    print(f"reads of a node: {statistics.median(b / a for a, b in reads):.3f} of a single node's")
    half = statistics.median(b["rate"] for _, b in writes) / 2
    p50, p99, rate = lag(first, group[1:], half, options.seconds)
    print(f"lag of the other nodes at {rate:.0f} writes/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    if nats.program() is None:
        raise SystemExit("bench_cluster: there is no nats-server of 2.10.23 or newer")
    _, store = harness.shop()
    folder = tempfile.mkdtemp(prefix="stair-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    quiet = ["--access-log", "none"]
    try:
        with nats.Servers(3, os.path.join(folder, "nats")) as servers:
            for name in ("single", "node1"):
                shutil.copytree(store, os.path.join(folder, name))
            one = os.path.join(folder, "node1")
            harness.run("cluster", "init", "--store", one, "--cluster", servers.urls)
            for name in ("node2", "node3"):
                harness.run("cluster", "join", "--store", os.path.join(folder, name), "--cluster", servers.urls)
            group = []
            with harness.Server(os.path.join(folder, "single"), *quiet) as single:
                try:
                    for name in ("node1", "node2", "node3"):
                        group.append(harness.Server(os.path.join(folder, name), "--cluster", servers.urls,
                                                    "--cluster-node", name, *quiet))
                    while not all(node.client.get("/health").json["writable"] for node in group):
                        time.sleep(0.1)
                    measure(single, group, servers, options)
                finally:
                    for node in group:
                        node.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
