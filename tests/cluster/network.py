# SPDX-License-Identifier: Apache-2.0
"""A network of namespaces: each server and node has a host of its own, joined to the others by a bridge.
The tests can cut any two of them apart and keep their own connections to both.

    with Network(6) as network:
        subprocess.Popen([*network.wrap(0), "nats-server", ...])   # runs on network.host(0)
        network.cut(0, 3)             # neither hears the other
        network.cut(0, 3, one_way=True)   # 3 does not hear 0
        network.heal()
        network.impair(0, 3, links.Impairment(delay_ms=40))   # slow what 0 sends to 3
        network.mend()

Needs root and iproute2. `problem()` says why this machine cannot have such a network.
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import links  # noqa: E402

# Names contain the process number, so that two runs do not collide. An interface's name has at most 15 letters.
PREFIX = f"st{os.getpid() % 100000}"
BRIDGE = PREFIX + "br"
NET = f"10.213.{os.getpid() % 250}."


def ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def problem():
    """None, or why there are no network namespaces here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    try:
        with Network(1):
            return None
    except AssertionError as why:
        return str(why)


class Network:
    def __init__(self, count):
        self.count, self.cuts, self.links = count, [], None
        self.problem = "prepare_links was not called"

    def host(self, index):
        return f"{NET}{10 + index}"

    def name(self, index):
        return f"{PREFIX}n{index}"

    def wrap(self, index):
        return ["ip", "netns", "exec", self.name(index)]

    def __enter__(self):
        self._remove()
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("addr", "add", NET + "1/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            for index in range(self.count):
                inside, outside = f"{PREFIX}i{index}", f"{PREFIX}o{index}"
                ip("netns", "add", self.name(index))
                ip("link", "add", outside, "type", "veth", "peer", "name", inside)
                ip("link", "set", inside, "netns", self.name(index))
                ip("link", "set", outside, "master", BRIDGE, "up")
                ip("-n", self.name(index), "addr", "add", self.host(index) + "/24", "dev", inside)
                ip("-n", self.name(index), "link", "set", inside, "up")
                ip("-n", self.name(index), "link", "set", "lo", "up")
        except AssertionError:
            self._remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if self.links is not None:
            self.links.close()
        self._remove()

    def _remove(self):
        for index in range(self.count):
            ip("netns", "del", self.name(index), check=False)
            ip("link", "del", f"{PREFIX}o{index}", check=False)
        ip("link", "del", BRIDGE, check=False)

    def cut(self, a, b, one_way=False):
        """Drops what `a` sends to `b` and, unless `one_way`, what `b` sends to `a`. TCP notices only by its timeouts."""
        for source, target in ((a, b),) if one_way else ((a, b), (b, a)):
            ip("-n", self.name(source), "route", "replace", "blackhole", self.host(target) + "/32")
            self.cuts.append((source, target))

    def part(self, some, others, one_way=False):
        for a in some:
            for b in others:
                self.cut(a, b, one_way)

    def heal(self):
        for source, target in self.cuts:
            ip("-n", self.name(source), "route", "del", "blackhole", self.host(target) + "/32", check=False)
        self.cuts = []

    def prepare_links(self):
        """Prepares for impaired links. Returns None, or why they are impossible; `problem` keeps that text."""
        self.problem = None
        if not os.path.exists("/dev/net/tun"):
            self.problem = "there is no /dev/net/tun"
            return self.problem
        try:
            self.links = links.Links([(self.name(i), f"{PREFIX}i{i}", self.host(i)) for i in range(self.count)])
        except AssertionError as why:
            self.problem = str(why)
        return self.problem

    def impair(self, source, target, impairment, way="out"):
        """Impairs what one host sends to another ("out"), what it receives from there ("in"), or "both"."""
        if way in ("out", "both"):
            self.links.impair(source, target, impairment)
        if way in ("in", "both"):
            self.links.impair(target, source, impairment)

    def mend(self):
        """Ends the impairment of all links."""
        self.links.mend()
