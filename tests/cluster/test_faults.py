# SPDX-License-Identifier: Apache-2.0
"""Three nodes and three NATS servers suffer every fault that a data centre knows, while clients write and
read. Then the history is judged (history.py), and nodes at equal positions must have equal digests.

CLUSTER_SECONDS (default 120) sets the length, CLUSTER_SEED the order of faults. Partitions need root and
iproute2, bad links also /dev/net/tun, and a full disk needs root. What a machine lacks is left out, and the
other faults are run.
"""

import datetime
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import history as h  # noqa: E402
import links  # noqa: E402
import nats  # noqa: E402
import network  # noqa: E402
import nodes  # noqa: E402
import workload  # noqa: E402

SECONDS = float(os.environ.get("CLUSTER_SECONDS", "120"))
SEED = int(os.environ.get("CLUSTER_SEED", "1"))
CLIENTS, ITEMS, USERS = 6, 24, 8
LARGE_ITEMS = 150  # of 20 KB
SETTLE_SECONDS = 90


YEAR_SECONDS, HOUR_SECONDS = 365 * 24 * 3600, 3600


class Faults:
    """Breaks one thing at a time, or two, and mends it."""

    def __init__(self, servers, cluster, net):
        self.servers, self.nodes, self.net, self.rng = servers, cluster.all, net, random.Random(SEED)
        self.cluster, self.done, self.bad_links, self.large = cluster, {}, [], 0
        self.kinds = [self.kill_node, self.kill_server, self.kill_both, self.kill_leader, self.pause_node,
                      self.pause_server, self.stop_node, self.train, self.prune, self.die_in_large_write, self.join_node]
        if cluster.mounts:
            self.kinds.append(self.fill_disk)
        if net is not None:
            self.kinds += [self.part_node, self.part_server, self.part_minority, self.part_one_way]
            if net.problem is None:
                self.bad_links = [self.slow_links, self.lossy_links, self.reordering_links, self.narrow_links]
                self.kinds += self.bad_links
                self.ways = itertools.cycle(("both", "out", "in"))

    def some_node(self):
        return self.rng.choice(self.nodes)

    def wait(self, least=1.0, most=4.0):
        time.sleep(self.rng.uniform(least, most))

    def kill_node(self):
        node = self.some_node()
        node.kill()
        self.wait(0.2, 2)
        node.start()

    def stop_node(self):
        node = self.some_node()
        assert node.stop() == 0
        node.start()

    def kill_server(self, index=None):
        index = self.rng.randrange(3) if index is None else index
        self.servers.kill(index)
        self.wait()
        self.servers.start(index)

    def kill_leader(self):
        leader = self.servers.stream_leader(nodes.STREAM)
        if leader is not None:
            self.kill_server(leader)

    def kill_both(self):
        node, index = self.some_node(), self.rng.randrange(3)
        self.servers.kill(index)
        node.kill()
        self.wait()
        self.servers.start(index)
        node.start()

    def pause_node(self):
        node = self.some_node()
        node.pause()
        self.wait()
        node.go_on()

    def pause_server(self):
        server = self.rng.choice(self.servers.all)
        server.signal(signal.SIGSTOP)
        self.wait()
        server.signal(signal.SIGCONT)

    def train(self):
        """Trains on one node; the generation goes to all nodes and becomes active, unless a fault prevents it."""
        client = self.some_node().client()
        try:
            client.post("/model/train", {"epochs": 2, "dim": 32, "threads": 1, "activate": "yes"}, contract_check=False)
        except OSError:
            pass
        client.close()
        self.wait()

    def prune(self):
        """Removes all generations but the active one and the newest other, unless a fault prevents it."""
        client = self.some_node().client()
        try:
            client.post("/model/prune", {"keep": 1}, contract_check=False)
        except OSError:
            pass
        client.close()

    def die_in_large_write(self):
        """A node dies while it stores a write that is larger than a message. Whole or not at all is decided later."""
        node, number = self.some_node(), self.large
        self.large += 1
        items = [{"id": f"large-{number}-{i}", "title": "x", "description": "word " * 4000} for i in range(LARGE_ITEMS)]

        def write():
            client = node.client()
            try:
                client.put("/items", {"items": items}, contract_check=False)
            except OSError:
                pass
            client.close()

        writer = threading.Thread(target=write)
        writer.start()
        self.wait(0.02, 1.5)
        node.kill()
        writer.join()
        node.start()

    def join_node(self):
        """A fourth node joins once, from the newest snapshot, while the others write. Like a supervisor, this tries
        again as long as an earlier fault leaves the log without a leader."""
        end = time.monotonic() + SETTLE_SECONDS
        while len(self.nodes) == 3:
            try:
                self.cluster.join(*((self.net.host(6), self.net.wrap(6)) if self.net else ()))
            except AssertionError:
                if time.monotonic() > end:
                    raise

    def fill_disk(self):
        """Fills the disk of one node for a while."""
        path = os.path.join(self.cluster.mounts[0], "filler")
        try:
            with open(path, "wb") as f:
                while True:
                    f.write(bytes(1 << 20))
        except OSError:
            pass
        self.wait(2, 5)
        os.unlink(path)

    # Hosts 0 to 2 are the servers, 3 to 6 the nodes.
    def part_node(self):
        self.net.part([3 + self.some_node().index], [0, 1, 2])
        self.wait(2, 6)
        self.net.heal()

    def part_server(self):
        a, b = self.rng.sample(range(3), 2)
        self.net.cut(a, b)
        self.wait(2, 6)
        self.net.heal()

    def part_minority(self):
        """Separates one server and one node from the others."""
        server, node = self.rng.randrange(3), 3 + self.some_node().index
        others = [i for i in range(7) if i not in (server, node)]
        self.net.part([server, node], others)
        self.wait(2, 6)
        self.net.heal()

    def part_one_way(self):
        a, b = self.rng.randrange(3), 3 + self.some_node().index
        self.net.cut(*self.rng.choice(((a, b), (b, a), tuple(self.rng.sample(range(3), 2)))), one_way=True)
        self.wait(2, 6)
        self.net.heal()

    def impair(self, *impairments):
        """Impairs for a while the links between one node and all servers, and those between one server and
        the two others: both directions, or only what the first sends, or only what it receives."""
        node, server = 3 + self.some_node().index, self.rng.randrange(3)
        for host, others in ((node, range(3)), (server, [i for i in range(3) if i != server])):
            how, way = self.rng.choice(impairments), next(self.ways)
            for other in others:
                self.net.impair(host, other, how, way)
        self.wait(2, 6)
        self.net.mend()

    def slow_links(self):
        self.impair(links.Impairment(delay_ms=100, jitter_ms=10), links.Impairment(delay_ms=400))

    def lossy_links(self):
        self.impair(links.Impairment(loss=0.02), links.Impairment(loss=0.1), links.Impairment(loss=0.3))

    def reordering_links(self):
        self.impair(links.Impairment(delay_ms=20, jitter_ms=20, early=0.1, copies=0.02),
                    links.Impairment(delay_ms=60, jitter_ms=40, loss=0.01, early=0.05, copies=0.1))

    def narrow_links(self):
        self.impair(links.Impairment(delay_ms=5, kbit_s=400), links.Impairment(kbit_s=2000))

    def run(self, until):
        # Bad links come first, so that the shortest run has some of every kind.
        deck = sorted(self.rng.sample(self.kinds, len(self.kinds)), key=lambda kind: kind in self.bad_links)
        while time.monotonic() < until:
            deck = deck or self.rng.sample(self.kinds, len(self.kinds))
            kind = deck.pop()
            kind()
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
            self.wait(0.5, 2)


class Cluster(harness.TestCase):
    def first_state(self, store):
        """The state before the faults: titles of the items, and what the users have bought."""
        first = {}
        for line in harness.export(store, "items").splitlines():
            it = harness.json.loads(line)
            first[("item", it["id"])] = h.present(it.get("title"), it.get("hidden", False))
        bought = {}
        for line in harness.export(store, "interactions").splitlines():
            one = harness.json.loads(line)
            bought.setdefault(one["user"], set()).add(one["item"])
        return first, bought

    def settle(self, cluster, servers, history, things):
        """Ends all faults. Then every node accepts writes and sees everything that was acknowledged."""
        servers.mend(SETTLE_SECONDS)
        for node in cluster.all:
            if not node.running:
                node.start()
        end = time.monotonic() + SETTLE_SECONDS
        for node in cluster.all:
            ask = node.client()
            answer = None
            while time.monotonic() < end:
                try:
                    answer = ask.put("/items/settled", {"title": f"at node {node.index}"})
                    if answer.status in (200, 201):
                        break
                except OSError:
                    pass
                time.sleep(0.1)
            self.assertIn(answer.status if answer else None, (200, 201), f"node {node.index + 1} takes no writes")
            last = answer.json["seq"]
            ask.close()
        cluster.wait_level(last, SETTLE_SECONDS)
        reader = workload.Client(99, cluster.all, history, things, 0)
        for node in cluster.all:
            for item in things[0]:
                self.assertTrue(reader.read_item(node, item, last), f"{item} at node {node.index + 1}")
            for user in things[1] + things[2]:
                reader.read_list(node, user, last)

    def assert_whole(self, cluster, count):
        """Of each large write, every node has all items or none. Returns how many writes are there."""
        whole = set()
        for node in cluster.all:
            ask = node.client()
            there = [[ask.get(f"/items/large-{number}-{i}").status for i in range(LARGE_ITEMS)] for number in range(count)]
            ask.close()
            self.assertTrue(all(set(statuses) in ({200}, {404}) for statuses in there), f"node {node.index + 1}")
            whole.add(sum(statuses[0] == 200 for statuses in there))
        self.assertEqual(len(whole), 1, whole)
        return whole.pop()

    def drive(self, cluster, servers, net, store):
        first, bought = self.first_state(store)
        items = [thing[1] for thing in sorted(first)][:ITEMS]
        users = sorted(bought)[:USERS]
        things = (items, users[:-2], users[-2:])
        history = h.History(first)
        for user in users:
            for item in bought[user]:
                history.first[("seen", user, item)] = True
        until = time.monotonic() + SECONDS
        clients = [workload.Client(n, cluster.all, history, things, until) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        faults = Faults(servers, cluster, net)
        faults.run(until)
        for client in clients:
            client.join(workload.REPEAT_SECONDS + 30)
        self.settle(cluster, servers, history, things)
        print(f"MEASURED: {self.assert_whole(cluster, faults.large)} of {faults.large} large writes whose node died are "
              "there, whole", flush=True)
        return history, clients, faults

    def report(self, history, clients, faults):
        outcomes = {kind: sum(w.outcome == kind for w in history.writes) for kind in (h.OK, h.REFUSED, h.UNKNOWN)}
        print(f"MEASURED: {len(history.writes)} writes {outcomes}, {len(history.reads)} reads, faults {faults.done}",
              flush=True)
        self.assertEqual([p for c in clients for p in c.problems], [])
        self.assertEqual(h.judge(history)[:10], [])
        self.assertGreater(outcomes[h.OK], SECONDS)
        self.assertGreater(len(history.reads), SECONDS)

    def report_links(self, counts, faults):
        """Checks the `counts` of each pair of hosts. Hosts 0 to 2 are servers."""
        sums = {}
        for (source, target), one in counts.items():
            kind = f"{'server' if source < 3 else 'node'} to {'server' if target < 3 else 'node'}"
            sums[kind] = links.Counts(*map(sum, zip(one, sums.get(kind, (0, 0, 0, 0)))))
        for kind, one in sorted(sums.items()):
            print(f"MEASURED: {one.seen} packets over bad links from {kind}, {one.lost} lost, {one.overtook} overtook "
                  f"others, {one.doubled} came twice", flush=True)
        if all(kind.__name__ in faults.done for kind in faults.bad_links):
            self.assertEqual(sorted(sums), ["node to server", "server to node", "server to server"])
            self.assertGreater(min(one.seen for one in sums.values()), 0)
            self.assertGreater(min(map(sum, zip(*sums.values()))), 0, sums)

    def test_no_fault_loses_repeats_or_reorders_a_write(self):
        if nats.program() is None:
            harness.not_run("the cluster: there is no nats-server")
            self.fail("no nats-server; see tests/support/nats_server.sh")
        _, store = self.shop_store()
        why = network.problem()
        if why is not None:
            harness.not_run(f"partitions of the network: {why}")
            self.under_faults(store, None)
        else:
            with network.Network(7) as net:
                if net.prepare_links() is not None:
                    harness.not_run(f"slow, narrow, lossy and reordering links: {net.problem}")
                self.under_faults(store, net)

    def other_clock(self, seconds):
        """Runs a program with a wall clock that is wrong by this much."""
        library = self.path("other_clock.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, os.path.join(HERE, "other_clock.c"), "-ldl"],
                       check=True)
        return ["env", f"OTHER_CLOCK={seconds}", f"LD_PRELOAD={library}"]

    def assert_clocks(self, cluster):
        """The times in the nodes' logs are those of their clocks."""
        for node, expected in zip(cluster.all, (0, YEAR_SECONDS, -HOUR_SECONDS)):
            told = re.match(r"time=(\S+)", node.server.log[-1]).group(1)
            off = datetime.datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp() - time.time()
            self.assertLess(abs(off - expected), 300, f"node {node.index + 1}: {told}")

    def under_faults(self, store, net):
        hosts = [net.host(i) for i in range(6)] if net else None
        wraps = [net.wrap(i) for i in range(6)] if net else [[] for _ in range(6)]
        # The second node's clock is in the next year, the third's in the past.
        for index, seconds in ((4, YEAR_SECONDS), (5, -HOUR_SECONDS)):
            wraps[index] = [*wraps[index], *self.other_clock(seconds)]
        with nats.Servers(3, self.path("nats"), hosts=hosts and hosts[:3], wraps=wraps[:3]) as servers:
            with nodes.Nodes(self.dir, store, servers.urls, hosts=hosts and hosts[3:], wraps=wraps[3:],
                             replicas=3, small_disk=0 if os.geteuid() == 0 else None) as cluster:
                self.assert_clocks(cluster)
                history, clients, faults = self.drive(cluster, servers, net, store)
                self.report(history, clients, faults)
                if net and net.links:
                    self.report_links(net.links.counts(), faults)
                digests, statuses = cluster.stop_at_one_position()
                self.assertEqual(statuses, {0})
                self.assertEqual(len(set(digests)), 1, digests)
                for node in cluster.all:
                    self.assert_checked(node.store)


if __name__ == "__main__":
    harness.main()
