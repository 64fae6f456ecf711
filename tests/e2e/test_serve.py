# SPDX-License-Identifier: Apache-2.0
"""The service from outside: start, answers, stop."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "racing_epoll.c")


class Serve(harness.TestCase):
    def test_a_trained_store_gives_every_user_a_list_without_what_they_have(self):
        files, store = self.shop_store()
        with harness.Server(store) as server:
            for user, had in harness.shop_users(files, 25).items():
                answer = server.client.get("/recommend", {"user": user, "k": 20})
                self.assertEqual(answer.status, 200)
                self.assertIsNone(answer.json["fallback"])
                self.assertEqual(len(answer.items), 20)
                self.assertEqual(len(set(answer.items)), 20)
                self.assertFalse(set(answer.items) & set(had))
                scores = [hit["score"] for hit in answer.json["items"]]
                self.assertEqual(scores, sorted(scores, reverse=True))

    def test_it_is_ready_reports_its_health_and_shows_its_contract(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            self.assertEqual(server.client.get("/health/live").status, 200)
            self.assertEqual(server.client.get("/health/ready").status, 200)
            self.assertEqual(server.client.get("/health").status, 200)
            with open(os.path.join(harness.ROOT, "openapi.yaml"), "rb") as f:
                self.assertEqual(server.client.get("/openapi.yaml").body, f.read())
            self.assertEqual(harness.run("ping", "--listen", server.address, check=False).returncode, 0)
        self.assertEqual(harness.run("ping", "--listen", server.address, check=False).returncode, 1)

    def test_both_signals_stop_it_with_status_0_and_a_clean_store(self):
        _, store = self.shop_store()
        for sig in (signal.SIGTERM, signal.SIGINT):
            server = harness.Server(store)
            self.assertEqual(server.client.get("/popular").status, 200)
            self.assertEqual(server.stop(sig), 0)
            self.assert_checked(store)

    def test_a_signal_stops_it_whichever_of_its_threads_the_kernel_picks(self):
        libc = ctypes.CDLL(None, use_errno=True)
        _, store = self.shop_store()
        for index in (0, 1, -1):
            server = harness.Server(store)
            pid = server.process.pid
            threads = sorted(int(t) for t in os.listdir(f"/proc/{pid}/task"))
            if threads[index] != pid:  # SIGHUP first: the process must handle it and not end
                self.assertEqual(libc.tgkill(pid, threads[index], signal.SIGHUP), 0)
            self.assertEqual(server.client.get("/popular").status, 200)
            self.assertEqual(server.stop(signal.SIGINT), 0)

    def test_a_stop_does_not_race_with_its_loops_over_the_listening_socket(self):
        _, store = self.shop_store()
        library = self.path("racing_epoll.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
        for threads in (1, 4):
            server = harness.Server(store, "--threads", threads, env={"LD_PRELOAD": library})
            self.assertEqual(server.client.get("/popular").status, 200)
            self.assertEqual(server.stop(), 0, "".join(server.log[-5:]))

    def test_while_it_stops_new_connections_are_closed_at_once(self):
        _, store = self.shop_store()
        server = harness.Server(store)
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as held:
            held.sendall(b"POST /items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         b"Expect: 100-continue\r\nContent-Length: 50\r\n\r\n")
            self.assertIn(b" 100 ", held.recv(4096))
            server.process.send_signal(signal.SIGTERM)
            answer = b"HTTP"
            while answer:
                with socket.create_connection((host, int(port)), timeout=20) as late:  # a service that prints nothing fails the test
                    try:
                        late.sendall(b"GET /popular HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                        answer = late.recv(4096)
                    except ConnectionError:
                        answer = b""
            self.assertIsNone(server.process.poll())
        self.assertEqual(server.stop(), 0, "".join(server.log[-5:]))

    def test_a_second_server_on_a_store_is_refused_and_told_the_pid_of_the_first(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            second = harness.run("serve", "--store", store, "--listen", "127.0.0.1:0", check=False, timeout=60)
            self.assertEqual(second.returncode, 1)
            self.assertIn(str(server.process.pid), second.stderr)

    def test_an_empty_store_serves_without_a_model(self):
        with harness.Server(self.path("empty")) as server:
            answer = server.client.get("/recommend", {"user": "nobody"})
            self.assertEqual(answer.status, 200)
            self.assertIsNone(answer.json["model"])
            self.assertEqual(answer.json["fallback"], "no_model")
            self.assertEqual(answer.items, [])

    def test_listening_beyond_loopback_without_keys_is_refused(self):
        done = subprocess.run([harness.STAIR, "serve", "--store", self.path("s"), "--listen", "0.0.0.0:0"],
                              capture_output=True, text=True, timeout=60, env=harness.ENVIRONMENT)
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("insecure", done.stderr)

    def test_metrics_are_valid_by_promtool(self):
        files, store = self.shop_store()
        with harness.Server(store) as server:
            for user in harness.shop_users(files, 3):
                server.client.get("/recommend", {"user": user})
            server.client.get("/recommend")
            server.client.post("/interactions", {"interactions": [{"user": "new", "item": "none"}]})
            text = server.client.get("/metrics").body
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(b"stair_build_info", text)
            self.assertIn(b"stair_http_request_duration_seconds", text)
            for phase in (b"parse", b"lookup", b"filter", b"search", b"serialise", b"queue", b"commit"):
                counted = b'stair_http_phase_duration_seconds_count{phase="' + phase + b'"} [1-9]'
                self.assertTrue(re.search(counted, text), phase)


if __name__ == "__main__":
    harness.main()
