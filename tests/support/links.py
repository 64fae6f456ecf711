# SPDX-License-Identifier: Apache-2.0
"""Slow, narrow, lossy, reordering and duplicating links between network namespaces.

Every host gets a tun device. While a link to another host is impaired, the route to that host leads into the
device; this process reads the packets there, drops some, holds the others back, and sends them on over the
host's own interface. Jitter reorders them. Only one direction is impaired: what the host sends.

    with Links([("namespace", "interface", "10.0.0.10"), ...], seed=1) as links:
        links.impair(0, 2, Impairment(delay_ms=40, jitter_ms=20, loss=0.01))   # what 0 sends to 2
        links.mend()
        links.counts()     # {(0, 2): Counts(seen, lost, overtook, doubled)}

`tc netem` does the same in the kernel, but is never used. Many kernels lack the module, and one method that
runs everywhere is also tested everywhere. Besides, netem impairs a whole interface, not a single link.

Needs root, iproute2 and /dev/net/tun.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import NamedTuple

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PACKET_BYTES_MAX = 65536
READ_MOST = 64  # packets of one host in a row


QUEUE_SECONDS = 0.5  # what a narrow link holds back; it drops what comes then
METRIC = "10"  # of the routes into the tun device, so that a route without one (a cut) goes before them


@dataclass(frozen=True)
class Impairment:
    """What happens to a packet: it is lost, or is sent at once, or after delay_ms plus or minus jitter_ms."""

    delay_ms: float = 0
    jitter_ms: float = 0
    loss: float = 0  # share of the packets
    early: float = 0  # share of the packets that are not delayed
    copies: float = 0  # share of the packets that arrive twice
    kbit_s: float = 0  # 0: as fast as they come


class Counts(NamedTuple):
    """Packets over one impaired link."""

    seen: int
    lost: int
    overtook: int  # are due before an earlier one
    doubled: int


class Inside:
    """Puts this thread into a network namespace; use as a context manager."""

    def __init__(self, namespace):
        self.namespace = namespace

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open("/var/run/netns/" + self.namespace, os.O_RDONLY | os.O_CLOEXEC)
        self._enter(there)
        os.close(there)
        return self

    def __exit__(self, kind, value, trace):
        self._enter(self.before)
        os.close(self.before)

    @staticmethod
    def _enter(descriptor):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


# --- the process that moves the packets ---------------------------------------------------------


class Link:
    """One direction between two hosts."""

    def __init__(self):
        self.impairment, self.free, self.last_due = None, 0.0, 0.0
        self.seen, self.lost, self.overtook, self.doubled = 0, 0, 0, 0

    def due(self, size, now, rng):
        """The times at which a packet that arrives now is sent on: none if it is lost, two if it is doubled."""
        i = self.impairment or Impairment()
        self.seen += 1
        if rng.random() < i.loss or self.free > now + QUEUE_SECONDS:
            self.lost += 1
            return []
        if i.kbit_s:
            self.free = max(self.free, now) + size * 8 / (i.kbit_s * 1000)
        late = 0 if rng.random() < i.early else max(0, i.delay_ms + rng.uniform(-i.jitter_ms, i.jitter_ms))
        due = max(self.free, now) + late / 1000
        self.overtook += due < self.last_due
        self.last_due = max(due, self.last_due)
        twice = rng.random() < i.copies
        self.doubled += twice
        return [due, due] if twice else [due]


class Host:
    """One host's tun device, and the socket over which its packets leave."""

    def __init__(self, namespace, interface, address):
        self.namespace, self.address, self.links = namespace, address, {}
        with Inside(namespace):
            self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"links", IFF_TUN | IFF_NO_PI))
            # The socket is bound to the interface, so its packets do not take the route into the tun device.
            self.out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self.out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            # Answers arrive on the interface, although the route to their senders leads into the tun device. With strict
            # filtering of sources, the kernel would drop them.
            for name in ("all", interface):
                with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w", encoding="ascii") as f:
                    f.write("0")
        self.ip("link", "set", "links", "up")

    def ip(self, *arguments):
        subprocess.run(["ip", "-n", self.namespace, *arguments], check=True)

    def impair(self, target, impairment):
        link = self.links.setdefault(target, Link())
        if link.impairment is None:
            self.ip("route", "replace", target + "/32", "dev", "links", "src", self.address, "metric", METRIC)
        link.impairment = impairment

    def mend(self):
        for target, link in self.links.items():
            if link.impairment is not None:
                self.ip("route", "del", target + "/32", "dev", "links", "metric", METRIC)
            link.impairment = None

    def due(self, packet, now, rng):
        link = self.links.get(socket.inet_ntoa(packet[16:20]))
        return link.due(len(packet), now, rng) if link else []

    def send(self, packet):
        try:
            self.out.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        except OSError:  # the link is cut
            pass


class Mover:
    """Moves packets until standard input ends."""

    def __init__(self, hosts, seed):
        self.hosts, self.rng, self.waiting, self.number = hosts, random.Random(seed), [], 0

    def read(self, host):
        for _ in range(READ_MOST):
            try:
                packet = os.read(host.tun, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue  # the kernel's own, of IPv6
            now = time.monotonic()
            for due in host.due(packet, now, self.rng):
                self.number += 1
                heapq.heappush(self.waiting, (due, self.number, host, packet))

    def send_due(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, host, packet = heapq.heappop(self.waiting)
            host.send(packet)

    def obey(self, line):
        """Carries out one line of JSON and answers with one line."""
        asked = json.loads(line)
        if asked["do"] == "impair":
            self.hosts[asked["source"]].impair(self.hosts[asked["target"]].address, Impairment(**asked["how"]))
        elif asked["do"] == "mend":
            for host in self.hosts:
                host.mend()
        index = {host.address: i for i, host in enumerate(self.hosts)}
        print(json.dumps([[i, index[target], link.seen, link.lost, link.overtook, link.doubled]
                          for i, host in enumerate(self.hosts) for target, link in host.links.items()]), flush=True)

    def run(self):
        poll = select.poll()
        by_descriptor = {host.tun: host for host in self.hosts}
        for descriptor in (*by_descriptor, sys.stdin.fileno()):
            poll.register(descriptor, select.POLLIN)
        while True:
            wait = max(0, self.waiting[0][0] - time.monotonic()) * 1000 if self.waiting else None
            for descriptor, _ in poll.poll(wait):
                if descriptor in by_descriptor:
                    self.read(by_descriptor[descriptor])
                else:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self.obey(line)
            self.send_due()


# --- what the tests use -------------------------------------------------------------------------


class Links:
    """The process that moves packets, as the tests use it. Each host is (namespace, interface, address)."""

    def __init__(self, hosts, seed=1):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), json.dumps([hosts, seed])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError("no tun devices can be made here")

    def _ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def impair(self, source, target, impairment):
        self._ask(do="impair", source=source, target=target, how=asdict(impairment))

    def mend(self):
        """New packets take the usual route again. Packets that are held back are still sent when they are due."""
        self._ask(do="mend")

    def counts(self):
        return {(source, target): Counts(*counts) for source, target, *counts in self._ask(do="count")}

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def main():
    given, seed = json.loads(sys.argv[1])
    hosts = [Host(*one) for one in given]
    print("ready", flush=True)
    Mover(hosts, seed).run()


if __name__ == "__main__":
    main()
