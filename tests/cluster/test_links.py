# SPDX-License-Identifier: Apache-2.0
"""Impaired links lose, delay and reorder as configured. Otherwise the runs with faults would prove nothing.

Numbered datagrams go from one host to another, each with the time at which it was sent.
"""

import os
import select
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import links  # noqa: E402
import network  # noqa: E402

COUNT, PORT, QUIET_SECONDS = 1000, 4000, 1


class BadLinks(harness.TestCase):
    def socket_in(self, net, index):
        with links.Inside(net.name(index)):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((net.host(index), PORT))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.addCleanup(made.close)
        return made

    def send(self, net, source, target, ends):
        """(number, seconds of travel) of every datagram in the order of arrival."""
        got = []

        def take(seconds):
            while select.select([ends[target]], [], [], seconds)[0]:
                number, sent = struct.unpack("id", ends[target].recv(16))
                got.append((number, time.monotonic() - sent))

        for number in range(COUNT):
            ends[source].sendto(struct.pack("id", number, time.monotonic()), (net.host(target), PORT))
            take(0)
            time.sleep(0.0005)
        take(QUIET_SECONDS)
        return got

    @staticmethod
    def overtaken(got):
        numbers = [number for number, _ in got]
        return sum(later < earlier for earlier, later in zip(numbers, numbers[1:]))

    def assert_good(self, got):
        self.assertEqual([number for number, _ in got], list(range(COUNT)))

    def measure(self, emulate):
        """Every kind of link between two hosts."""
        why = network.problem()
        if why is not None:
            harness.not_run(f"bad links: {why}")
            return
        with network.Network(2) as net:
            if net.prepare_links(emulate) is not None:
                harness.not_run(f"bad links: {net.problem}")
                return
            ends = [self.socket_in(net, index) for index in range(2)]
            self.assert_good(self.send(net, 0, 1, ends))
            net.impair(0, links.Impairment(delay_ms=50))
            slow = self.send(net, 0, 1, ends)
            self.assert_good(slow)
            self.assertGreaterEqual(min(late for _, late in slow), 0.049)
            self.assertLess(min(late for _, late in self.send(net, 1, 0, ends)), 0.049)
            net.impair(0, links.Impairment(loss=0.2))
            lossy = self.send(net, 0, 1, ends)
            self.assertTrue(0.7 * COUNT < len(lossy) < 0.9 * COUNT, len(lossy))
            self.assertEqual(self.overtaken(lossy), 0)
            net.impair(0, links.Impairment(delay_ms=20, jitter_ms=20))
            jitter = self.send(net, 0, 1, ends)
            self.assertEqual(sorted(number for number, _ in jitter), list(range(COUNT)))
            self.assertGreater(self.overtaken(jitter), COUNT / 20)
            net.impair(0, links.Impairment(delay_ms=50, early=0.1))
            early = self.send(net, 0, 1, ends)
            self.assertEqual(len(early), COUNT)
            self.assertTrue(0.02 * COUNT < self.overtaken(early) < 0.2 * COUNT, self.overtaken(early))
            net.mend(0)
            self.assert_good(self.send(net, 0, 1, ends))
            net.cut(0, 1, one_way=True)
            net.impair(0, links.Impairment(delay_ms=1))
            self.assertEqual(self.cut_off(net, ends), 0)

    def cut_off(self, net, ends):
        """How many datagrams pass a link that is cut and bad."""
        try:
            ends[0].sendto(b"x" * 16, (net.host(1), PORT))
        except OSError:
            pass
        return len(select.select([ends[1]], [], [], 0.2)[0])

    def test_the_emulator_delays_loses_and_reorders(self):
        self.measure(emulate=True)

    def test_netem_delays_loses_and_reorders(self):
        self.measure(emulate=False)


if __name__ == "__main__":
    harness.main()
