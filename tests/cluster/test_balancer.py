# SPDX-License-Identifier: Apache-2.0
"""HAProxy with the shipped configuration in front of three nodes: while nodes die, restart in turn and
the log's stream changes its leader, no read fails and writes come back.
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import nats  # noqa: E402
import nodes  # noqa: E402

SHIPPED = os.path.join(harness.ROOT, "deploy", "cluster", "haproxy.cfg")
BACK_SECONDS = 60  # at any load; the time that it took is printed


class Balancer:
    """HAProxy on the shipped configuration, with this machine's addresses in it."""

    def __init__(self, folder, cluster):
        self.port = nats.free_ports(1)[0]
        with open(SHIPPED, encoding="utf-8") as f:
            text = f.read().partition("\nresolvers dns")[0] + "\n"
        text = text.replace("bind :8080", f"bind 127.0.0.1:{self.port}").replace(" resolvers dns", "")
        for node in cluster.all:
            text, found = re.subn(rf"server node-{node.index + 1} \S+", f"server node-{node.index + 1} {node.address}", text)
            assert found == 1
        self.path = os.path.join(folder, "haproxy.cfg")
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)

    def __enter__(self):
        self.process = subprocess.Popen(["haproxy", "-db", "-f", self.path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + BACK_SECONDS
        while not self.listens():
            assert self.process.poll() is None and time.monotonic() < end, "HAProxy does not listen"
            time.sleep(0.02)
        return self

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def __exit__(self, kind, value, trace):
        self.process.kill()
        self.process.wait()


class Caller(threading.Thread):
    """A thread that calls through the balancer until it is told to end, and notes every status with its time."""

    def __init__(self, port, write):
        super().__init__(daemon=True)
        self.port, self.write, self.end, self.answers, self.count = port, write, False, [], 0

    def ask(self, connection):
        self.count += 1
        if not self.write:
            connection.request("GET", "/recommend?user=user-1&k=5")
        else:
            connection.request("PUT", f"/items/new-{self.count}", json.dumps({"title": "new"}),
                               {"Content-Type": "application/json", "Idempotency-Key": f"k{self.count}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.end:
            try:
                status = self.ask(connection)
            except (http.client.HTTPException, OSError) as problem:
                status = repr(problem)
                connection.close()
            self.answers.append((time.monotonic(), status))
            time.sleep(0.005)


class Behind(harness.TestCase):
    def setUp(self):
        super().setUp()
        if nats.program() is None:
            harness.not_run("the cluster behind HAProxy: there is no nats-server")
            self.fail("no nats-server; see tests/support/nats_server.sh")

    def longest_gap(self, writer, since):
        """Waits for a write that begins after now; returns the longest time without one since `since`."""
        now = time.monotonic()
        while time.monotonic() < now + BACK_SECONDS:
            good = [at for at, status in list(writer.answers) if at > since and status in (200, 201)]
            if good and good[-1] > now:
                return max(b - a for a, b in zip([since] + good, good))
            time.sleep(0.02)
        self.fail(f"no write for {BACK_SECONDS} s: {writer.answers[-5:]}")

    def events(self, servers, cluster, writer):
        """Each event with the longest time without a write."""
        took = {}
        began = time.monotonic()
        cluster.all[0].kill()
        took["a node killed"] = self.longest_gap(writer, began)
        cluster.all[0].start()
        began = time.monotonic()
        for node in cluster.all:
            self.assertEqual(node.stop(), 0)
            node.start()
        took["a rolling restart"] = self.longest_gap(writer, began)
        leader = servers.stream_leader(nodes.STREAM)
        self.assertIsNotNone(leader)
        began = time.monotonic()
        servers.kill(leader)
        took["the stream's leader killed"] = self.longest_gap(writer, began)
        servers.mend()
        return took

    def test_no_read_fails_while_nodes_and_servers_come_and_go(self):
        _, store = self.shop_store()
        with nats.Servers(3, self.path("nats")) as servers, \
                nodes.Nodes(self.dir, store, servers.urls, replicas=3, arguments=["--drain-delay", "2s"]) as cluster, \
                Balancer(self.dir, cluster) as balancer:
            readers = [Caller(balancer.port, write=False) for _ in range(3)]
            writer = Caller(balancer.port, write=True)
            time.sleep(1.5)  # HAProxy's first checks
            for caller in (*readers, writer):
                caller.start()
            took = self.events(servers, cluster, writer)
            for caller in (*readers, writer):
                caller.end = True
                caller.join(60)
            reads = [status for r in readers for _, status in r.answers]
            bad = [status for status in reads if status != 200]
            print(f"MEASURED: {len(reads)} reads through HAProxy, {len(bad)} failed; longest without a write: " +
                  ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items()), flush=True)
            self.assertEqual(bad, [])
            self.assertGreater(len(reads), 100)


if __name__ == "__main__":
    harness.main()
