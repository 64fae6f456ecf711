# SPDX-License-Identifier: Apache-2.0
"""In some states of log and store, a node must not serve or must stop applying the log. Each has its message, and
nothing changes."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import cluster_case  # noqa: E402
import nodes  # noqa: E402

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
        self.assertIn("belongs to another cluster", said)
        self.assertEqual(self.digest(elsewhere), before)
        done = self.init(servers, self.empty("third"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("join it with", done.stderr)

    def start_other(self, store):
        """Makes the store the first of a new cluster, on a server of its own."""
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
        self.assertIn("through a running node", done.stderr)
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
            self.assertIn("belongs to another cluster", said)

    def test_a_log_that_was_restored_to_an_earlier_state_is_not_followed(self):
        import nats
        with nats.Servers(1, self.path("nats")) as servers:
            first = self.first_store(servers)
            data = os.path.join(servers.all[0].folder, "data")
            servers.kill(0)
            shutil.copytree(data, self.path("backup"))
            servers.start(0)
            node = self.node(servers, first)
            for i in range(5):
                self.assertEqual(node.client.put(f"/items/{i}", {"title": "x"}).status, 201)
            node.stop()
            servers.kill(0)
            shutil.rmtree(data)
            shutil.copytree(self.path("backup"), data)
            servers.start(0)
            servers.wait_ready()
            before = self.digest(first)
            self.assertIn("ends at 0, before this store's position 5", self.refused(first, *self.options(servers)))
            self.assertEqual(self.digest(first), before)

    def test_a_cluster_is_not_begun_without_nats_servers(self):
        import nats
        store = self.empty("store")
        before = self.digest(store)
        done = harness.run("cluster", "init", "--store", store, "--cluster", f"nats://127.0.0.1:{nats.free_ports(1)[0]}",
                           check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no NATS server can be reached", done.stderr)
        self.assertEqual(self.digest(store), before)
        with harness.Server(store):  # it is still a store of its own
            pass

    def purge(self, servers, keep):
        """Removes the oldest messages from the stream through the NATS protocol."""
        import json
        with socket.create_connection((servers.all[0].host, servers.all[0].port), timeout=10) as s:
            lines = s.makefile("rb")
            lines.readline()
            body = json.dumps({"keep": keep}).encode()
            s.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.PURGE.STAIR_shop_LOG answer '
                      + str(len(body)).encode() + b"\r\n" + body + b"\r\n")
            self.assertTrue(lines.readline().startswith(b"MSG answer"))
            self.assertIn(b'"success":true', lines.readline())

    def test_an_operator_changes_interaction_types_and_encoder_while_no_node_runs(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        a = self.node(servers, first)
        types = ["--interaction-types", "purchase=edge+seen:2,wish=edge:3"]
        cluster_case.wait_for(lambda: a.client.get("/cluster").json["nodes"])
        refused = harness.run("cluster", "set", *self.options(servers, *types), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("1 nodes of the cluster are running, such as first: stop all nodes first", refused.stderr)
        seq = a.client.put("/items/x", {"title": "x"}).json["seq"]
        a.stop()
        self.assertIn("purchase=edge+seen:2,wish=edge:3", harness.run("cluster", "set", *self.options(servers, *types)).stdout)
        told = harness.run("cluster", "status", "--json", *self.options(servers)).stdout
        self.assertIn('"interaction_types":"purchase=edge+seen:2,wish=edge:3"', told)
        self.assertIn("stair cluster set changes the cluster's", self.refused(first, *self.options(servers)))
        # Earlier writes keep their effect, and a new node needs the new types too.
        harness.run("cluster", "join", "--store", self.path("second"), *self.options(servers, *types))
        a, b = [self.node(servers, self.path(name), *types) for name in ("first", "second")]
        self.seen(b, seq)
        wish = {"interactions": [{"user": "u", "item": "x", "type": "wish"}]}
        self.seen(a, b.client.post("/interactions", wish).json["seq"])
        self.assert_problem(a.client.post("/interactions", {"interactions": [{"user": "u", "item": "x", "type": "cart"}]}),
                            400)
        a.stop(), b.stop()
        encoder = [*types, "--encoder-url", "http://127.0.0.1:9/v1/embeddings", "--encoder-model", "m"]
        harness.run("cluster", "set", *self.options(servers, *encoder))
        self.assertIn("the encoder's modality and model", self.refused(first, *self.options(servers, *types)))
        self.assertEqual(self.node(servers, first, *encoder).stop(), 0)

    def test_a_node_with_other_interaction_types_or_another_encoder_is_refused(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        before = self.digest(first)
        said = self.refused(first, *self.options(servers, "--interaction-types", "purchase=edge+seen:2"))
        self.assertIn("interaction_types: the cluster has", said)
        said = self.refused(first, *self.options(servers, "--encoder-url", "http://127.0.0.1:1/", "--encoder-model", "m"))
        self.assertIn("the encoder's modality and model: the cluster has -, this node text m", said)
        self.assertEqual(self.digest(first), before)
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
        before = self.digest(store)
        for name, text, expected in (("wrong", "user=stair\npassword=guess\n", "refuse this client's credentials"),
                                     ("weak", f"user=weak\npassword={SECRET}\n", "do not permit"),
                                     ("none", "something\n", "expected a .creds file")):
            done = harness.run(*init, *self.options(servers, "--cluster-credentials", self.file(name, text)), check=False)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(expected, done.stderr)
            self.assertNotIn(SECRET, done.stderr)
        done = harness.run(*init, *self.options(servers), check=False)
        self.assertIn("refuse this client's credentials", done.stderr)
        self.assertEqual(self.digest(store), before)
        harness.run(*init, *self.options(servers, "--cluster-credentials", right))
        node = self.node(servers, store, "--cluster-credentials", right)
        self.assertEqual(node.client.put("/items/a", {"title": "a"}).status, 201)
        node.stop()

    def test_a_password_is_in_no_answer_log_flag_or_environment(self):
        self.assert_kept_secret(f'user: stair, password: "{SECRET}"', f"user=stair\npassword={SECRET}\n")

    def test_a_token_is_in_no_answer_log_flag_or_environment(self):
        self.assert_kept_secret(f'token: "{SECRET}"', f"token={SECRET}\n")

    def assert_kept_secret(self, rule, credentials):
        """Looks at everything that a node and the commands tell, while NATS is there and when it is gone."""
        servers = self.start_nats(1, f"authorization {{ {rule} }}")
        rights = self.options(servers, "--cluster-credentials", self.file("credentials", credentials))
        store = self.empty("store")
        told = [harness.run("cluster", *arguments, *rights) for arguments in (
            ["init", "--store", store, "--cluster-replicas", 1], ["status"], ["status", "--json"],
            ["join", "--store", self.path("joined")])]
        node = self.node(servers, store, *rights[2:], "--log-level", "debug")
        seen = [done.stdout + done.stderr for done in told]
        for path in ("/health", "/metrics", "/cluster", "/openapi.yaml"):
            seen.append(node.client.get(path).body.decode())
        for kind in ("cmdline", "environ"):
            with open(f"/proc/{node.process.pid}/{kind}", encoding="utf-8", errors="replace") as f:
                seen.append(f.read())
        servers.kill(0)
        cluster_case.wait_for(lambda: node.client.get("/cluster").json["problem"])
        refused = node.client.put("/items/a", {"title": "a"})
        self.assertEqual(refused.status, 503)
        seen += [refused.body.decode(), node.client.get("/cluster").body.decode(), node.client.get("/metrics").body.decode()]
        seen.append(harness.run("cluster", "status", *rights, check=False).stderr)
        node.stop()
        seen.append("".join(node.log))
        for index, text in enumerate(seen):
            self.assertGreater(len(text), 10, index)
            self.assertNotIn(SECRET, text)

    def test_a_right_that_was_missing_for_a_while_does_not_explain_a_later_failure(self):
        rights = '{{ users: [ {{ user: shop, password: "{}", permissions: {{ publish: {{ deny: [{}] }} }} }} ] }}'
        servers = self.start_nats(1, "authorization " + rights.format(SECRET, '"nothing"'))
        server = servers.all[0]
        of_shop = ["--cluster-credentials", self.file("shop", f"user=shop\npassword={SECRET}\n")]
        store = self.empty("store")
        harness.run("cluster", "init", "--store", store, "--cluster-replicas", 1, *self.options(servers, *of_shop))
        node = self.node(servers, store, *of_shop)

        def deny(old, new):
            with open(server.folder + ".conf", encoding="utf-8") as f:
                text = f.read()
            self.assertIn(old, text)
            with open(server.folder + ".conf", "w", encoding="utf-8") as f:
                f.write(text.replace(old, new))
            server.signal(signal.SIGHUP)

        bucket = f'"$KV.STAIR_{nodes.NAME}_NODES.>"'
        deny('"nothing"', bucket)
        cluster_case.wait_for(lambda: "do not permit this: Permissions Violation" in "".join(node.log))
        deny(bucket, '"nothing"')
        cluster_case.wait_for(lambda: node.client.get("/cluster").json["nodes"])
        self.writes(node)
        count = len(node.log)
        server.signal(signal.SIGSTOP)
        cluster_case.wait_for(lambda: "no NATS server can be reached" in "".join(node.log[count:]))
        server.signal(signal.SIGCONT)
        self.assertNotIn("do not permit", "".join(node.log[count:]))

    def test_the_rights_that_the_documents_name_are_enough(self):
        with open(os.path.join(HERE, "..", "..", "docs/cluster.md"), encoding="utf-8") as f:
            block = re.search(r"```\n(permissions: .*?)```", f.read(), re.S).group(1).replace("NAME", nodes.NAME)
        said = self.path("nats.log")
        servers = self.start_nats(1, f'log_file: "{said}"\nauthorization {{ users: [ {{ user: shop, '
                                     f'password: "{SECRET}", {block} }} ] }}')
        rights = ["--cluster-credentials", self.file("shop", f"user=shop\npassword={SECRET}\n")]
        store, joined = self.empty("store"), self.path("joined")
        harness.run("cluster", "init", "--store", store, "--cluster-replicas", 1, *self.options(servers, *rights))
        first = self.node(servers, store, *rights)
        seq = first.client.put("/items/a", {"title": "a"}).json["seq"]
        harness.run("cluster", "join", "--store", joined, *self.options(servers, *rights))
        second = self.node(servers, joined, *rights)
        self.assertEqual(second.client.get(f"/items/a?min_seq={seq}").status, 200)
        self.assertEqual(second.client.put("/items/b", {"title": "b"}).status, 201)
        cluster_case.wait_for(lambda: len(first.client.get("/cluster").json["nodes"]) == 2)
        first.stop(), second.stop()
        with open(said, encoding="utf-8") as f:
            self.assertNotIn("Violation", f.read())

    def test_a_server_without_jetstream_is_named(self):
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
        self.assertIn("JetStream is not enabled", done.stderr)

    def certificate(self, name):
        """A self-signed certificate; returns (certificate, key)."""
        files = self.path(name + ".pem"), self.path(name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
        return files

    def test_a_connection_without_the_right_certificates_is_refused(self):
        (ours, key), (others, _) = self.certificate("ours"), self.certificate("others")
        servers = self.start_nats(1, f'tls {{ cert_file: "{ours}", key_file: "{key}" }}')
        store = self.empty("store")
        init = ["cluster", "init", "--store", store, "--cluster-replicas", 1]
        before = self.digest(store)
        for more, said in ((["--cluster-tls-ca", others], "TLS with the NATS servers failed"),
                           ([], "TLS with the NATS servers failed"),
                           (["--cluster-tls-ca", self.path("none")], "expected certificates in PEM"),
                           (["--cluster-tls-ca", ours, "--cluster-tls-certificate", ours], "must be given together")):
            done = harness.run(*init, *self.options(servers, *more), check=False)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(said, done.stderr)
        self.assertEqual(self.digest(store), before)
        harness.run(*init, *self.options(servers, "--cluster-tls-ca", ours))
        node = self.node(servers, store, "--cluster-tls-ca", ours)
        self.assertEqual(node.client.put("/items/a", {"title": "a"}).status, 201)

    def test_a_node_whose_disk_is_full_says_so_keeps_its_place_and_goes_on_with_room(self):
        servers = self.start_nats()
        first = self.first_store(servers)
        second = self.path("small", "second")
        os.mkdir(self.path("small"))
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", self.path("small")],
                                               capture_output=True).returncode != 0:
            harness.not_run("a node on a full disk: no permission to mount one")
            return
        self.addCleanup(subprocess.run, ["umount", self.path("small")], capture_output=True)
        harness.run("snapshot", "--store", first, "--to", second)
        a, b = self.node(servers, first), self.node(servers, second)
        items = [{"id": str(i), "title": "x", "description": "word " * 400} for i in range(500)]
        for i in range(6):
            seq = a.client.put("/items", {"items": [{**it, "id": f"{i}-{it['id']}"} for it in items]}).json["seq"]
        told = cluster_case.wait_for(lambda: self.problem(b))
        self.assert_waits(b)
        self.assertIn("stair_cluster_apply_stopped 1", b.client.get("/metrics").body.decode(), told)
        self.assertEqual(b.client.get("/items").status, 200)
        self.assertEqual(b.client.put("/items/b", {"title": "b"}).status, 503)
        cluster_case.wait_for(lambda: b.client.get("/health/ready").status == 503)
        self.assertEqual(a.client.put("/items/a", {"title": "a"}).status, 201)
        subprocess.run(["mount", "-o", "remount,size=64m", self.path("small")], check=True)
        self.seen(b, seq + 1)
        self.writes(b)
        a.stop(), b.stop()
        self.same_digests(first, second)

    def assert_waits(self, node):
        """A node that cannot apply tries again once a second, and takes little processor time meanwhile."""
        def spent():
            with open(f"/proc/{node.process.pid}/stat", encoding="ascii") as f:
                fields = f.read().rsplit(") ", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before, began = spent(), time.monotonic()
        time.sleep(2)
        self.assertLess((spent() - before) / (time.monotonic() - began), 0.1)

    def problem(self, node):
        return node.client.get("/cluster").json["problem"]

    def test_a_server_that_is_too_old_is_refused_unless_asked_for(self):
        def talk(connection):
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b'INFO {"server_id":"x","version":"2.10.22","max_payload":1048576,"headers":true}\r\n')
                for line in lines:
                    if line.startswith(b"PING"):
                        connection.sendall(b"PONG\r\n")

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        threading.Thread(target=serve, daemon=True).start()
        run = ["cluster", "status", "--cluster", f"nats://127.0.0.1:{listener.getsockname()[1]}"]
        done = harness.run(*run, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("version 2.10.22, which can lose a stream in a crash: expected 2.10.23 or newer", done.stderr)
        done = harness.run(*run, "--cluster-insecure-log", check=False)
        self.assertNotIn("2.10.22", done.stderr)

    def test_a_password_in_an_address_is_refused_and_not_told(self):
        store = self.empty("store")
        for arguments, env in ((["--cluster", f"nats://stair:{SECRET}@127.0.0.1:4222"], {}),
                               ([], {"STAIR_CLUSTER": f"nats://stair:{SECRET}@127.0.0.1:4222"})):
            done = harness.run("serve", "--store", store, *arguments, check=False, env=env)
            self.assertEqual(done.returncode, 2)
            self.assertIn("cluster_credentials", done.stderr)
            self.assertNotIn(SECRET, done.stderr + done.stdout)


cluster_case.main(__name__)
