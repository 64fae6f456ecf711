# SPDX-License-Identifier: Apache-2.0
"""Worlds in which a node must not serve, or not follow: each has its message, and nothing changes."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402

SECRET = "hunter2-hunter2"


class Refusals(cluster_case.ClusterCase):
    def file(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def empty(self, name):
        with harness.Server(self.path(name)):
            pass
        return self.path(name)

    def test_the_log_of_another_shop_is_not_followed(self):
        servers = self.start_nats()
        self.first_store(servers)
        other = self.empty("other")
        self.assertIn("cluster init", self.refused(other, *self.options(servers)))
        elsewhere = self.start_other(other)
        before = self.digest(elsewhere)
        said = self.refused(elsewhere, *self.options(servers))
        self.assertIn("another shop's", said)
        self.assertEqual(self.digest(elsewhere), before)
        done = self.init(servers, self.empty("third"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("joins it", done.stderr)

    def start_other(self, store):
        """Makes the store the first of a cluster on a server of its own, in its own folder."""
        import nats
        with nats.Servers(1, self.path("elsewhere")) as servers:
            self.init(servers, store)
        return store

    def test_a_store_of_a_cluster_is_not_served_without_it_and_its_copy_is_another_store(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        self.assertIn("belongs to a cluster", self.refused(first))
        copy = self.copy(first, "copy")
        with harness.Server(copy) as single:
            self.assertEqual(single.client.put("/items/a", {"title": "a"}).status, 201)
        self.assertTrue(self.digest(copy).startswith("- 1 "))
        self.assertIn("cluster init", self.refused(copy, *self.options(servers)))

    def test_a_store_of_a_cluster_takes_no_writes_past_its_log(self):
        servers = self.start_nats()
        first = self.first_store(servers, trained=True)
        before = self.digest(first)
        done = harness.run("generations", "--store", first, "--activate", "1", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("external log", done.stderr)
        self.assertEqual(self.digest(first), before)

    def test_a_log_that_begins_after_the_store_or_ends_before_it_is_not_followed(self):
        import nats
        with nats.Servers(1, self.path("nats")) as servers:
            first = self.first_store(servers)
            old = self.copy(first, "old")
            with self.node(servers, first) as node:
                for i in range(5):
                    node.client.put(f"/items/{i}", {"title": "x"})
            self.purge(servers, keep=1)
            self.assertIn("begins at 5, after this store's position 0", self.refused(old, *self.options(servers)))
        with nats.Servers(1, self.path("anew")) as servers:
            made = self.empty("made")
            harness.run("cluster", "init", "--store", made, "--cluster-replicas", 1, *self.options(servers))
            said = self.refused(first, *self.options(servers))
            self.assertIn("another shop's", said)

    def purge(self, servers, keep):
        """Takes the oldest messages out of the stream, by the server's own protocol."""
        import json
        import socket
        with socket.create_connection((servers.all[0].host, servers.all[0].port), timeout=10) as s:
            lines = s.makefile("rb")
            lines.readline()
            body = json.dumps({"keep": keep}).encode()
            s.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.PURGE.STAIR_shop_LOG answer '
                      + str(len(body)).encode() + b"\r\n" + body + b"\r\n")
            self.assertTrue(lines.readline().startswith(b"MSG answer"))
            self.assertIn(b'"success":true', lines.readline())

    def test_a_node_with_other_interaction_types_or_another_encoder_is_refused(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        said = self.refused(first, *self.options(servers, "--interaction-types", "purchase=edge+seen:2"))
        self.assertIn("interaction_types: the cluster has", said)
        said = self.refused(first, *self.options(servers, "--encoder-url", "http://127.0.0.1:1/", "--encoder-model", "m"))
        self.assertIn("the encoder's modality and model: the cluster has -, this node text m", said)
        same = "dismiss=seen,view=edge:1,cart=edge:1.0,purchase=seen+edge:1"
        self.assertEqual(self.node(servers, first, "--interaction-types", same).stop(), 0)

    def test_a_server_without_jetstream_or_rights_or_with_other_credentials_is_named(self):
        store = self.empty("store")
        init = ["cluster", "init", "--store", store, "--cluster-replicas", 1]
        users = ("authorization { users: ["
                 f'{{ user: stair, password: "{SECRET}" }}, '
                 f'{{ user: weak, password: "{SECRET}", permissions: {{ publish: "nothing" }} }}] }}')
        servers = self.start_nats(1, users)
        right = self.file("right", f"user=stair\npassword={SECRET}\n")
        for name, text, expected in (("wrong", "user=stair\npassword=guess\n", "refuse this client's credentials"),
                                     ("weak", f"user=weak\npassword={SECRET}\n", "do not permit"),
                                     ("none", "something\n", "expected a .creds file")):
            done = harness.run(*init, *self.options(servers, "--cluster-credentials", self.file(name, text)), check=False)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(expected, done.stderr)
            self.assertNotIn(SECRET, done.stderr)
        done = harness.run(*init, *self.options(servers), check=False)
        self.assertIn("refuse this client's credentials", done.stderr)
        harness.run(*init, *self.options(servers, "--cluster-credentials", right))
        node = self.node(servers, store, "--cluster-credentials", right)
        self.assertEqual(node.client.put("/items/a", {"title": "a"}).status, 201)
        told = node.client.get("/health").body + node.client.get("/metrics").body
        node.stop()
        self.assertNotIn(SECRET, told.decode() + "".join(node.log))

    def test_a_server_without_jetstream_is_named(self):
        import subprocess
        import nats
        port = nats.free_ports(1)[0]
        server = subprocess.Popen([nats.program(), "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        run = ["cluster", "status", "--cluster", f"nats://127.0.0.1:{port}"]
        cluster_case.wait_for(lambda: "cannot be reached" not in harness.run(*run, check=False).stderr
                       and "no NATS server can be reached" not in harness.run(*run, check=False).stderr)
        done = harness.run(*run, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no JetStream", done.stderr)

    def test_a_password_in_an_address_is_refused_and_not_told(self):
        store = self.empty("store")
        for arguments, env in ((["--cluster", f"nats://stair:{SECRET}@127.0.0.1:4222"], {}),
                               ([], {"STAIR_CLUSTER": f"nats://stair:{SECRET}@127.0.0.1:4222"})):
            done = harness.run("serve", "--store", store, *arguments, check=False, env=env)
            self.assertEqual(done.returncode, 2)
            self.assertIn("cluster_credentials", done.stderr)
            self.assertNotIn(SECRET, done.stderr + done.stdout)


cluster_case.main(__name__)
