# SPDX-License-Identifier: Apache-2.0
"""The nodes of a cluster as processes. Each has its own copy of the store and a fixed address, so that it
can be killed, paused and started again at the same address."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402
import nats  # noqa: E402

NAME = "shop"
STREAM = "STAIR_shop_LOG"
STOPS = 5
SMALL_DISK_BYTES = 192 * 1024 * 1024


class Node:
    """One `stair serve`. `wrap` goes before the command: a namespace, another clock."""

    def __init__(self, index, store, urls, host="127.0.0.1", wrap=(), arguments=()):
        self.index, self.store, self.host = index, store, host
        self.port = nats.free_ports(1)[0]
        self.address = f"{host}:{self.port}"
        self.wrap, self.server, self.logs = list(wrap), None, []
        self.arguments = ["--cluster", urls, "--cluster-name", NAME, "--cluster-node", f"node{index + 1}",
                          "--insecure", *arguments]

    def start(self):
        try:
            self.server = harness.Server(self.store, *self.arguments, listen=self.address, wrap=self.wrap)
        except AssertionError:
            self.server = None
            raise
        return self

    @property
    def running(self):
        return self.server is not None and self.server.process.poll() is None

    def pid(self):
        """The process number of the service itself, not of the program that wraps it."""
        found = [re.search(r"\bpid=(\d+)", line) for line in self.server.log]
        return next((int(m.group(1)) for m in found if m), self.server.process.pid)

    def kill(self):
        if self.server is not None:
            if self.wrap:
                os.kill(self.pid(), signal.SIGKILL)
            self.server.kill()
            self.logs += self.server.log
            self.server = None

    def stop(self):
        status = self.server.stop() if self.server is not None else 0
        self.server = None
        return status

    def pause(self):
        os.kill(self.pid(), signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid(), signal.SIGCONT)

    def client(self):
        return harness.Client(self.address)


def init(store, urls, *more):
    return harness.run("cluster", "init", "--store", store, "--cluster", urls, "--cluster-name", NAME, *more)


class Nodes:
    """`count` nodes on copies of one store that became a cluster; use as a context manager."""

    def __init__(self, folder, store, urls, count=3, hosts=None, wraps=None, replicas=1, arguments=(),
                 small_disk=None):
        hosts, wraps = hosts or ["127.0.0.1"] * count, wraps or [()] * count
        init(store, urls, "--cluster-replicas", replicas)
        self.folder, self.urls, self.arguments, self.all, self.mounts = folder, urls, arguments, [], []
        for index in range(count):
            mine = self.place(index)
            if index == small_disk:
                self.mount(mine)
            shutil.copytree(store, mine, dirs_exist_ok=True)
            self.all.append(Node(index, mine, urls, hosts[index], wraps[index], arguments))

    def place(self, index):
        return os.path.join(self.folder, f"node{index + 1}")

    def mount(self, folder):
        """Mounts a disk for one node that can be filled; needs root."""
        os.makedirs(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "stair-test", folder], check=True)
        self.mounts.append(folder)

    def join(self, host="127.0.0.1", wrap=()):
        """Adds a node with an empty folder."""
        index = len(self.all)
        node = Node(index, self.place(index), self.urls, host, wrap, [*self.arguments, "--cluster-join", "yes"])
        node.start()
        self.all.append(node)
        return node

    def __enter__(self):
        try:
            for node in self.all:
                node.start()
        except AssertionError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        for node in self.all:
            if node.server is not None:
                if kind is not None:
                    sys.stderr.write(f"log of node {node.index + 1}:\n" + "".join(node.server.log[-30:]))
                node.kill()
        for folder in self.mounts:
            subprocess.run(["umount", "-l", folder], check=False)

    def wait_level(self, seq, seconds=60):
        """Waits until every node has seen write `seq`."""
        end = time.monotonic() + seconds
        for node in self.all:
            ask = node.client()
            while True:
                answer = ask.get("/items", {"limit": 1, "min_seq": seq})
                if answer.status == 200:
                    break
                if time.monotonic() > end:
                    raise AssertionError(f"node {node.index + 1} has not seen write {seq}: {answer.body}")
                time.sleep(0.05)
            ask.close()

    def stop_at_one_position(self):
        """Stops all nodes; returns their digests and the set of their exit statuses.

        While some nodes have already stopped, another can still write, for example activate a generation.
        The nodes that stopped before are then started once more, so that they read it."""
        statuses = set()
        for _ in range(STOPS):
            statuses |= {node.stop() for node in self.all if node.running}
            digests = self.digests()
            last = max(int(digest[0]) for digest in digests)
            behind = [node for node, digest in zip(self.all, digests) if int(digest[0]) < last]
            if not behind:
                break
            for node in behind:
                node.start()
                ask = node.client()
                while ask.get("/cluster").json["position"] < last:
                    time.sleep(0.05)
                ask.close()
        return digests, statuses

    def digests(self):
        """(POSITION, SEQ, HASH) of each node's store. Stop the nodes before."""
        return [tuple(harness.run("check", "--store", node.store, "--digest").stdout.split()[-3:]) for node in self.all]
