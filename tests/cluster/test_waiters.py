# SPDX-License-Identifier: Apache-2.0
"""Reads that wait for a later write (min_seq). Their number is limited, so that other reads have room. All of
them end when the write comes or the service stops. They do no harm when their clients disconnect."""

import os
import select
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402

CONNECTIONS = 64


class Waiters(cluster_case.ClusterCase):
    def setUp(self):
        super().setUp()
        self.servers = self.start_nats()
        self.node = self.node(self.servers, self.first_store(self.servers), "--connections-max", CONNECTIONS,
                              "--min-seq-timeout", "60s")
        self.seq = self.node.client.put("/items/a", {"title": "a"}).json["seq"]

    def begin(self, count, target):
        """Connections that each ask for one thing."""
        host, port = self.node.address.rsplit(":", 1)
        made = [socket.create_connection((host, int(port)), timeout=30) for _ in range(count)]
        for one in made:
            self.addCleanup(one.close)
            one.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return made

    @staticmethod
    def status(one):
        return int(one.recv(4096).split(b" ")[1])

    def answered(self, connections):
        return select.select(connections, [], [], 0)[0]

    def waiting(self):
        for line in self.node.client.get("/metrics").body.decode().splitlines():
            if line.startswith("stair_min_seq_waiting "):
                return int(line.split()[1])

    def test_too_many_are_refused_at_once_and_the_others_get_the_write(self):
        most = CONNECTIONS // 2
        waiters = self.begin(most, f"/items/a?min_seq={self.seq + 1}")
        cluster_case.wait_for(lambda: self.waiting() == most)
        more = self.begin(5, f"/popular?min_seq={self.seq + 1}")
        self.assertEqual([self.status(one) for one in more], [503] * 5)
        self.assertEqual(self.answered(waiters), [])
        self.assertEqual(self.node.client.get("/items/a").status, 200)
        self.assertEqual(self.node.client.put("/items/a", {"title": "b"}).json["seq"], self.seq + 1)
        self.assertEqual([self.status(one) for one in waiters], [200] * most)
        self.assertEqual(self.waiting(), 0)

    def test_a_stop_answers_all_that_wait(self):
        waiters = self.begin(20, f"/recommend?user=u&min_seq={self.seq + 100}")
        cluster_case.wait_for(lambda: self.waiting() == 20)
        self.assertEqual(self.node.stop(), 0)
        self.assertEqual([self.status(one) for one in waiters], [503] * 20)

    def test_clients_that_leave_while_they_wait_do_no_harm(self):
        for one in self.begin(20, f"/items?min_seq={self.seq + 1}"):
            one.close()
        cluster_case.wait_for(lambda: self.waiting() == 20)
        stays = self.begin(1, f"/items/a?min_seq={self.seq + 1}")
        cluster_case.wait_for(lambda: self.waiting() == 21)
        self.node.client.put("/items/a", {"title": "b"})
        self.assertEqual(self.status(stays[0]), 200)
        cluster_case.wait_for(lambda: self.waiting() == 0)
        self.assertEqual(self.node.stop(), 0)

    def test_the_list_of_nodes_refuses_what_it_does_not_know_and_waits_for_nothing(self):
        ask = self.node.client
        for target, status in (("/cluster?nodes=1", 400), ("/cluster/", 404), ("/cluster/a", 404)):
            self.assert_problem(ask.get(target), status)
        for method in ("POST", "PUT", "DELETE"):
            self.assert_problem(ask.ask(method, "/cluster", {"nodes": []}, contract_check=False), 405)
        self.begin(CONNECTIONS // 2, f"/items?min_seq={self.seq + 1}")
        cluster_case.wait_for(lambda: self.waiting() == CONNECTIONS // 2)
        self.assertEqual([ask.get("/cluster").status for _ in range(50)], [200] * 50)


cluster_case.main(__name__)
