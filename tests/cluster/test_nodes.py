# SPDX-License-Identifier: Apache-2.0
"""Several nodes that share one log: every node sees every write, in the same order, once."""

import os
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402


class Cluster(cluster_case.ClusterCase):
    def test_a_write_at_one_node_is_read_at_another_by_its_seq(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        a, b = self.node(servers, first), self.node(servers, self.copy(first, "second"))
        answer = a.client.put("/items/new", {"title": "red shoes", "features": {"text": [0.5] * 24}})
        self.assertEqual(answer.status, 201)
        self.seen(b, answer.json["seq"])
        self.assertEqual(b.client.get("/items/new").json["title"], "red shoes")
        lists = [node.client.get("/similar", {"item": "new", "k": 10, "min_seq": answer.json["seq"]}).json
                 for node in (a, b)]
        self.assertEqual(lists[0], lists[1])
        back = b.client.delete("/items/new").json["seq"]
        self.seen(a, back)
        self.assertEqual(a.client.get("/items/new").status, 404)
        a.stop(), b.stop()
        self.same_digests(first, self.path("second"))

    def test_writes_at_all_nodes_at_once_leave_the_same_content(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        stores = [first] + [self.copy(first, name) for name in ("second", "third")]
        group = [self.node(servers, store) for store in stores]
        problems = []

        def write(node, number):
            client = node.new_client()
            for i in range(40):
                answer = client.put(f"/items/{i % 10}", {"title": f"{number}-{i}"})
                if answer.status not in (200, 201):
                    problems.append(answer.body)
                client.post("/interactions", {"user": f"u{number}", "item": str(i % 10)})
            client.close()

        threads = [threading.Thread(target=write, args=(node, n)) for n, node in enumerate(group * 2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(problems, [])
        seq = max(node.client.get("/health").json["seq"] for node in group)
        for node in group:
            self.seen(node, seq)
            self.assertEqual(node.client.get("/health").json["seq"], seq)
        for node in group:
            node.stop()
        self.same_digests(*stores)

    def test_a_key_that_was_used_at_one_node_is_answered_at_another_as_the_first_time(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        a, b = self.node(servers, first), self.node(servers, self.copy(first, "second"))
        body, key = {"items": [{"id": "a", "title": "one"}]}, {"Idempotency-Key": "k1"}
        one = a.client.post("/items", body, headers=key)
        again = b.client.post("/items", body, headers=key)
        self.assertEqual((one.status, one.body), (again.status, again.body))
        other = b.client.post("/items", {"items": [{"id": "b"}]}, headers=key)
        self.assertEqual(other.status, 422)
        self.assertEqual(a.client.get("/health").json["items"], 1)

    def test_a_node_that_was_killed_comes_back_by_its_own_store_and_the_log(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        second = self.copy(first, "second")
        a, b = self.node(servers, first), self.node(servers, second)
        self.seen(b, a.client.put("/items/a", {"title": "before"}).json["seq"])
        b.kill()
        seq = [a.client.put(f"/items/{i}", {"title": "meanwhile"}).json["seq"] for i in range(20)][-1]
        b = self.node(servers, second)
        self.seen(b, seq)
        self.writes(b)
        self.assertEqual(b.client.put("/items/z", {"title": "after"}).status, 201)
        self.seen(a, b.client.get("/health").json["seq"])
        a.stop(), b.stop()
        self.same_digests(first, second)

    def test_without_nats_reads_go_on_and_writes_are_refused_until_it_is_back(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        node = self.node(servers, first)
        seq = node.client.put("/items/a", {"title": "here"}).json["seq"]
        servers.kill(0)
        cluster_case.wait_for(lambda: not node.client.get("/health").json["writable"])
        answer = node.client.put("/items/a", {"title": "lost"})
        self.assert_problem(answer, 503, "nothing was written")
        self.assertIn("Retry-After", answer.headers)
        self.assertEqual(node.client.get("/items/a", {"min_seq": seq}).json["title"], "here")
        self.assertEqual(node.client.get("/health/ready").status, 200)
        servers.start(0)
        self.writes(node)
        self.assertEqual(node.client.put("/items/a", {"title": "there"}).status, 200)
        self.assertEqual(node.client.get("/health").json["seq"], seq + 1)

    def test_a_node_starts_without_nats_and_follows_when_it_comes(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        servers.kill(0)
        node = self.node(servers, first, writable=False)
        self.assertEqual(node.client.get("/items").status, 200)
        self.assertEqual(node.client.put("/items/a", {"title": "a"}).status, 503)
        servers.start(0)
        self.writes(node)
        self.assertEqual(node.client.put("/items/a", {"title": "a"}).status, 201)

    def test_a_write_that_is_not_confirmed_in_time_has_an_unknown_outcome_and_is_applied_once(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        node = self.node(servers, first)
        body, key = {"items": [{"id": "a", "title": "one"}]}, {"Idempotency-Key": "k"}
        node.client.put("/items/first", {"title": "x"})
        servers.all[0].signal(signal.SIGSTOP)
        answer = node.client.post("/items", body, headers=key)
        self.assertEqual(answer.status, 503)
        self.assertIn("outcome_unknown", answer.body.decode())
        self.assertIn("Retry-After", answer.headers)
        servers.all[0].signal(signal.SIGCONT)
        self.writes(node)
        again = node.client.post("/items", body, headers=key)
        self.assertEqual(again.status, 200, again.body)
        self.assertEqual(node.client.post("/items", body, headers=key).body, again.body)
        self.assertEqual(node.client.get("/health").json["items"], 2)


class Quorum(cluster_case.ClusterCase):
    replicas = 3

    def test_a_leader_that_dies_delays_writes_and_a_lost_majority_refuses_them(self):
        servers = self.start_nats(3)
        first = self.first_store(servers)
        second = self.copy(first, "second")
        a, b = self.node(servers, first), self.node(servers, second)
        self.assertEqual(a.client.put("/items/a", {"title": "a"}).status, 201)
        leader = cluster_case.wait_for(lambda: (servers.stream_leader("STAIR_shop_LOG") or 0) + 1) - 1
        servers.kill(leader)
        began = time.monotonic()
        cluster_case.wait_for(lambda: a.client.put("/items/a", {"title": "b"}).status == 200)
        print(f"writes back {time.monotonic() - began:.1f} s after the leader's kill -9", flush=True)
        servers.kill((leader + 1) % 3)
        cluster_case.wait_for(lambda: not a.client.get("/health").json["writable"])
        self.assertEqual(a.client.put("/items/c", {"title": "c"}).status, 503)
        self.assertEqual(a.client.get("/items/a").status, 200)
        for i in (leader, (leader + 1) % 3):
            servers.start(i)
        self.writes(a)
        cluster_case.wait_for(lambda: a.client.put("/items/d", {"title": "d"}).status in (200, 201))
        seq = a.client.get("/health").json["seq"]
        self.seen(b, seq)
        a.stop(), b.stop()
        self.same_digests(first, second)


cluster_case.main(__name__)
