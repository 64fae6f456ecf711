# SPDX-License-Identifier: Apache-2.0
"""Impaired links delay, lose, reorder, duplicate and slow packets as configured. If they did not, the runs with faults
would prove nothing.

The tests send numbered datagrams from one host to another, each with the time at which it was sent.
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
        """(number, seconds from sending to arrival) of every datagram, in the order of arrival."""
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

    def setUp(self):
        super().setUp()
        self.net = None
        why = network.problem()
        if why is None:
            self.net = network.Network(3).__enter__()
            self.addCleanup(self.net.__exit__, None, None, None)
            why = self.net.prepare_links()
        if why is not None:
            harness.not_run(f"bad links: {why}")
            self.net = None
            return
        self.ends = [self.socket_in(self.net, index) for index in range(3)]

    def over(self, *impairment, source=0, target=1, way="out", **how):
        """Returns what arrives of COUNT datagrams from `source` to `target` while the link from 0 to 1 is impaired."""
        self.net.mend()
        self.net.impair(0, 1, links.Impairment(*impairment, **how), way)
        return self.send(self.net, source, target, self.ends)

    def least(self, got):
        return min(late for _, late in got)

    def numbers(self, got):
        return sorted(number for number, _ in got)

    def test_a_slow_link_delays_one_way_or_both_and_no_other_link(self):
        if self.net is None:
            return
        self.assert_good(self.send(self.net, 0, 1, self.ends))
        slow = self.over(delay_ms=50)
        self.assert_good(slow)
        self.assertGreaterEqual(self.least(slow), 0.049)
        self.assertLess(self.least(self.send(self.net, 1, 0, self.ends)), 0.049)
        self.assertLess(self.least(self.send(self.net, 0, 2, self.ends)), 0.049)
        self.assertGreaterEqual(self.least(self.over(delay_ms=50, source=1, target=0, way="in")), 0.049)
        self.assertLess(self.least(self.send(self.net, 0, 1, self.ends)), 0.049)
        for source in (0, 1):
            self.assertGreaterEqual(self.least(self.over(delay_ms=50, source=source, target=1 - source, way="both")), 0.049)
        self.net.mend()
        self.assert_good(self.send(self.net, 0, 1, self.ends))

    def test_a_lossy_link_loses_its_share_and_keeps_the_order(self):
        if self.net is None:
            return
        got = self.over(loss=0.2)
        self.assertTrue(0.7 * COUNT < len(got) < 0.9 * COUNT, len(got))
        self.assertEqual(self.overtaken(got), 0)
        counts = self.net.links.counts()[(0, 1)]
        self.assertEqual((counts.seen, counts.lost), (COUNT, COUNT - len(got)))

    def test_jitter_and_early_packets_reorder_and_lose_nothing(self):
        if self.net is None:
            return
        jitter = self.over(delay_ms=20, jitter_ms=20)
        self.assertEqual(self.numbers(jitter), list(range(COUNT)))
        self.assertGreater(self.overtaken(jitter), COUNT / 20)
        early = self.over(delay_ms=50, early=0.1)
        self.assertEqual(self.numbers(early), list(range(COUNT)))
        self.assertTrue(0.02 * COUNT < self.overtaken(early) < 0.2 * COUNT, self.overtaken(early))

    def test_a_duplicating_link_sends_its_share_twice(self):
        if self.net is None:
            return
        got = self.over(copies=0.3)
        self.assertEqual(sorted(set(self.numbers(got))), list(range(COUNT)))
        self.assertTrue(1.2 * COUNT < len(got) < 1.4 * COUNT, len(got))
        self.assertEqual(len(got) - COUNT, self.net.links.counts()[(0, 1)].doubled)

    def test_a_narrow_link_holds_packets_back_and_drops_what_is_too_much(self):
        if self.net is None:
            return
        # A datagram is a packet of 44 bytes; this link takes 100 of them a second, far fewer than are sent.
        got = self.over(kbit_s=100 * 44 * 8 / 1000)
        self.assertTrue(0.02 * COUNT < len(got) < 0.9 * COUNT, len(got))
        self.assertEqual(self.overtaken(got), 0)
        self.assertGreaterEqual(got[-1][1], links.QUEUE_SECONDS * 0.9)

    def test_a_link_that_is_cut_and_bad_is_cut(self):
        if self.net is None:
            return
        self.net.cut(0, 1, one_way=True)
        self.net.impair(0, 1, links.Impairment(delay_ms=1))
        try:
            self.ends[0].sendto(b"x" * 16, (self.net.host(1), PORT))
        except OSError:
            pass
        self.assertEqual(len(select.select([self.ends[1]], [], [], 0.2)[0]), 0)
        self.net.heal()
        self.assert_good(self.send(self.net, 0, 1, self.ends))


if __name__ == "__main__":
    harness.main()
