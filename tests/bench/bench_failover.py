# SPDX-License-Identifier: Apache-2.0
"""How long writes wait after the leader of the cluster's log dies: three NATS servers and three nodes on one
machine, a client that writes to each node, and kill -9 of the server that leads the log.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_failover.py [--rounds 10] [--logs]
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "cluster")]
import harness  # noqa: E402
import nats  # noqa: E402
import nodes  # noqa: E402

BACK_SECONDS, LEVEL_SECONDS = 60, 30


class Writer(threading.Thread):
    """A client that writes to one node all the time, and notes when each successful write began and ended."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.end, self.good = node, False, []

    def run(self):
        connection, count = http.client.HTTPConnection(self.node.address, timeout=30), 0
        while not self.end:
            count += 1
            began = time.monotonic()
            connection.request("PUT", f"/items/failover-{self.node.index}", json.dumps({"title": str(count)}),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status in (200, 201):
                self.good.append((began, time.monotonic()))
            time.sleep(0.01)

    def first_after(self, moment):
        """The time of the first answer to a write that began after `moment`, or that began before it and was repeated."""
        return next((done for _, done in self.good if done > moment), None)


def wait(what, seconds=BACK_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found is not None:
            return found
        time.sleep(0.02)
    raise SystemExit(f"bench_failover: nothing came back in {seconds} s")


def agreed_leader(servers):
    """Index of the leader on which all servers agree. A server that was away may still name an older leader."""
    named = set()
    for one in servers.all:
        if one.process.poll() is None:
            streams = [detail for account in servers.jsz(one, "?streams=true&config=true").get("account_details") or []
                       for detail in account.get("stream_detail") or [] if detail["name"] == nodes.STREAM]
            named |= {(detail.get("cluster") or {}).get("leader") for detail in streams} or {None}
    running = {one.name: i for i, one in enumerate(servers.all) if one.process.poll() is None}
    return running.get(named.pop()) if len(named) == 1 else None


def kill_leader(servers, cluster, writers, logs):
    """Seconds from the kill until another leader was known, and until each node took a write."""
    leader = wait(lambda: agreed_leader(servers))
    before = [len(node.server.log) for node in cluster.all]
    began = time.monotonic()
    servers.kill(leader)
    began_write = began + 0.05  # what was on its way is not meant
    wait(lambda: agreed_leader(servers))
    elected = time.monotonic() - began
    back = [wait(lambda w=w: w.first_after(began_write)) - began for w in writers]
    if logs:
        for node, start in zip(cluster.all, before):
            print(f"node {node.index + 1}, back after {back[node.index]:.1f} s")
            print("".join("    " + line for line in node.server.log[start:]), end="")
    print(f"elected {elected:.1f} s, nodes back {' '.join(f'{b:.1f}' for b in back)} s", flush=True)
    servers.mend()
    for node in cluster.all:
        wait(lambda n=node: True if n.server.client.get("/health").json["writable"] else None, LEVEL_SECONDS)
    time.sleep(2)
    return elected, min(back), max(back)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--logs", action="store_true")
    options = parser.parse_args()
    if nats.program() is None:
        raise SystemExit("bench_failover: there is no nats-server of 2.10.23 or newer")
    _, store = harness.shop()
    folder = tempfile.mkdtemp(prefix="stair-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        shutil.copytree(store, os.path.join(folder, "first"))
        with nats.Servers(3, os.path.join(folder, "nats")) as servers, \
                nodes.Nodes(folder, os.path.join(folder, "first"), servers.urls, replicas=3,
                            arguments=["--access-log", "none"]) as cluster:
            writers = [Writer(node) for node in cluster.all]
            for writer in writers:
                writer.start()
            for writer in writers:
                wait(lambda w=writer: w.first_after(0))
            time.sleep(1)
            rounds = [kill_leader(servers, cluster, writers, options.logs) for _ in range(options.rounds)]
            for writer in writers:
                writer.end = True
                writer.join()
            for what, times in zip(("another leader", "the first node's writes", "all nodes' writes"), zip(*rounds)):
                print(f"seconds until {what}: median {statistics.median(times):.1f}, most {max(times):.1f}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
