# SPDX-License-Identifier: Apache-2.0
"""Nodes of a cluster for the end-to-end tests: real servers over real NATS servers."""

import os
import shutil
import subprocess
import sys
import threading
import time
import unittest

import harness
import nats

WAIT_SECONDS = 30
BLOBS = "STAIR_shop_BLOBS"
LAST_LINES, LOG_LINES = 6, 60
ENDS_SECONDS = 1


def wait_for(what, seconds=WAIT_SECONDS):
    """Calls `what` until it returns something true; returns that."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"it did not come about in {seconds} s: {what}")
        time.sleep(0.02)


def main(name):
    """Runs the tests of a file like harness.main. Without a NATS server no test runs, and CI fails."""
    if nats.program() is None and not os.environ.get("CI"):
        harness.not_run("the cluster's tests: no nats-server of 2.10.23 or newer can be had here")
        for case in list(vars(sys.modules[name]).values()):
            if isinstance(case, type) and issubclass(case, unittest.TestCase):
                for test in [t for t in vars(case) if t.startswith("test")]:
                    setattr(case, test, lambda self: None)
    if name == "__main__":
        harness.main()


class ClusterCase(harness.TestCase):
    """A store that began a cluster, and nodes on copies of it."""

    replicas = 1

    def run(self, result=None):
        self.result = result
        return super().run(result)

    def start_nats(self, count=1, more="", **options):
        servers = nats.Servers(count, self.path("nats"), more, **options)
        servers.__enter__()
        self.addCleanup(servers.__exit__, None, None, None)
        return servers

    def options(self, servers, *more):
        return ["--cluster", servers.urls, *more]

    @staticmethod
    def large_write():
        """A write of a thousand items, about 20 MB: far more than fits into a message of 64 KiB."""
        return [{"id": str(i), "title": "x", "description": f"{i} " + "word " * 4000} for i in range(1000)]

    def begin_large_write(self, node):
        """Starts a thread that sends large_write() to a node, which may be killed meanwhile."""
        def write():
            try:
                node.new_client().put("/items", {"items": self.large_write()}, contract_check=False)
            except OSError:
                pass

        writer = threading.Thread(target=write)
        writer.start()
        return writer

    @staticmethod
    def blobs(wire, kind):
        return {subject for subject in wire.subjects(BLOBS) if f".blob.{kind}." in subject}

    def damage(self, wire, kind, besides=()):
        """Flips a byte in the one blob of this kind that is not among `besides`; returns a function that puts it
        right again."""
        subject, = self.blobs(wire, kind) - set(besides)
        parts = [content for of, content in wire.messages(BLOBS) if of == subject]

        def store(parts):
            wire.purge(BLOBS, subject)
            for part in parts:
                wire.ask(subject, part)

        store([*parts[:-1], parts[-1][:-1] + bytes([parts[-1][-1] ^ 1])])
        return lambda: store(parts)

    def init(self, servers, store, *more, check=True):
        return harness.run("cluster", "init", "--store", store, "--cluster-replicas", self.replicas,
                           *self.options(servers, *more), check=check)

    def first_store(self, servers, *more, trained=False):
        """Makes a new store that begins a cluster."""
        if trained:
            _, store = self.shop_store("first")
        else:
            store = self.path("first")
            with harness.Server(store):
                pass
        self.init(servers, store, *more)
        return store

    def copy(self, store, name):
        """Makes a snapshot of a node's store, from which another node can start at the same position."""
        harness.run("snapshot", "--store", store, "--to", self.path(name))
        return self.path(name)

    def node(self, servers, store, *more, name=None, writable=True):
        """Starts a node and, unless NATS is down, waits until it takes writes."""
        name = name or os.path.basename(store)
        node = harness.Server(store, *self.options(servers, "--cluster-node", name, *more))
        self.addCleanup(self._end, node, name)
        if writable:
            self.writes(node)
        return node

    def _end(self, node, name):
        """Ends a node. After a failure it also tells how the node fared, before the test's folder is gone."""
        try:
            status = node.process.wait(ENDS_SECONDS if self.result.bad else 0)
        except subprocess.TimeoutExpired:
            status = None
            node.kill()
        if self.result.bad:
            how = "still ran" if status is None else f"had ended with status {status}"
            told = [line for line in node.log if "event=request " not in line]
            print(f"node {name} {how}; its last requests and its log:\n" + "".join(node.log[-LAST_LINES:]) +
                  "\n" + "".join(told[-LOG_LINES:]), flush=True)

    def refused(self, store, *arguments):
        """Fails unless `serve` refuses to start; returns its message."""
        done = harness.run("serve", "--store", store, "--listen", "127.0.0.1:0", *arguments, check=False, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr.splitlines()[-1]

    def digest(self, store):
        return harness.run("check", "--store", store, "--digest").stdout

    def same_digests(self, *stores):
        found = {store: self.digest(store) for store in stores}
        self.assertEqual(len(set(found.values())), 1, found)

    def seen(self, node, seq):
        """Waits until a node has seen a write."""
        wait_for(lambda: node.client.get("/items", {"limit": 1, "min_seq": seq}).status == 200)

    def writes(self, node):
        """Waits until a node takes writes."""
        wait_for(lambda: node.client.get("/health").json["writable"])

    def fresh(self, path):
        shutil.rmtree(path)
