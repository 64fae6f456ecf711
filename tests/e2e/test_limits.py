# SPDX-License-Identifier: Apache-2.0
"""Limits of the service: request rate, slow clients, the admin address, reloading, and stopping."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEADLINE = 20  # seconds that something may take on a busy machine


def wait_for(what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def connect(server):
    host, port = server.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


class Limits(harness.TestCase):
    def test_over_the_rate_there_is_429_with_retry_after_and_health_goes_on(self):
        with harness.Server(self.path("store"), "--rate", 1, "--rate-burst", 3) as server:
            answers = [server.client.get("/popular") for _ in range(8)]
            self.assertEqual([a.status for a in answers][:3], [200, 200, 200])
            refused = [a for a in answers if a.status == 429]
            self.assertGreaterEqual(len(refused), 3)
            self.assert_problem(refused[0], 429)
            self.assertGreaterEqual(int(refused[0].headers["Retry-After"]), 1)
            for _ in range(10):
                self.assertEqual(server.client.get("/health/live").status, 200)

    def test_a_header_that_drips_is_cut_off_although_it_is_never_silent(self):
        with harness.Server(self.path("store"), "--timeout", "1s") as server, connect(server) as s:
            s.sendall(b"GET /popular HTTP/1.1\r\nHost: localhost\r\n")
            started = time.monotonic()
            try:
                while time.monotonic() - started < DEADLINE:
                    s.sendall(b"X: y\r\n")
                    time.sleep(0.05)
            except OSError:
                pass
            self.assertLess(time.monotonic() - started, DEADLINE - 1)
            self.assertRegex(server.client.get("/metrics").body.decode(), r"stair_http_slow_connections_total [1-9]")

    def test_a_body_that_drips_is_cut_off_too(self):
        with harness.Server(self.path("store"), "--timeout", "1s") as server, connect(server) as s:
            s.sendall(b"POST /items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n")
            started = time.monotonic()
            try:
                while time.monotonic() - started < DEADLINE:
                    s.sendall(b" ")
                    time.sleep(0.05)
            except OSError:
                pass
            self.assertLess(time.monotonic() - started, DEADLINE - 1)
            self.assertEqual(server.client.get("/model").json["seq"], 0)

    def test_all_bodies_in_flight_have_one_limit(self):
        with harness.Server(self.path("store"), "--bodies-bytes-max", "64KiB") as server:
            head = b"POST /items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 40000\r\n\r\n"
            head += b" " * 39999
            with connect(server) as first:
                first.sendall(head)
                self.assertTrue(wait_for(lambda: b" 2\n" in server.client.get("/metrics").body.partition(
                    b"\nstair_http_requests_in_flight")[2][:4]))
                with connect(server) as second:
                    second.sendall(head)
                    second.sendall(b" ")
                    answer = second.recv(4096)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 503"), answer)
                    self.assertIn(b"Retry-After: 1", answer)
                    self.assertIn(b"bodies_bytes_max", answer)
            self.assertEqual(server.client.post("/items", {"id": "a"}).status, 201)

    def test_the_private_address_serves_metrics_without_a_key_and_nothing_else(self):
        keys = self.path("keys")
        harness.run("key", "new", "--role", "read", "--keys", keys)
        with harness.Server(self.path("store"), "--keys", keys, "--admin-listen", "127.0.0.1:0") as server:
            self.assertEqual(server.client.get("/metrics").status, 401)
            self.assertTrue(wait_for(lambda: server.admin))
            private = harness.Client(server.admin)
            self.assertEqual(private.get("/metrics").status, 200)
            self.assertEqual(private.get("/health/ready").status, 200)
            self.assertEqual(private.get("/popular").status, 403)
            self.assertEqual(private.post("/items", {"id": "a"}).status, 403)
            private.close()

    def test_a_broken_keys_file_leaves_the_keys_in_force(self):
        keys = self.path("keys")
        key = harness.run("key", "new", "--role", "admin", "--keys", keys).stdout.strip()
        with harness.Server(self.path("store"), "--keys", keys, client_headers={"X-API-Key": key}) as server:
            with open(keys, "a") as f:
                f.write("not a key\n")
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(lambda: any("event=reload_failed" in line for line in server.log)))
            self.assertEqual(server.client.get("/popular").status, 200)

    def test_sighup_takes_up_a_new_certificate_for_new_connections(self):
        def certificate(name):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"), "-days", "2",
                            "-subj", "/CN=" + name], check=True, capture_output=True)

        def served(server):
            host, port = server.address.rsplit(":", 1)
            return ssl.get_server_certificate((host, int(port)))

        for name in ("one", "two"):
            certificate(name)
        for part in ("crt", "key"):
            shutil.copy(self.path("one." + part), self.path("served." + part))
        context = ssl._create_unverified_context()
        with harness.Server(self.path("store"), "--tls-certificate", self.path("served.crt"), "--tls-key",
                            self.path("served.key"), tls=context) as server:
            with open(self.path("one.crt")) as f:
                self.assertEqual(served(server).split(), f.read().split())
            self.assertEqual(harness.run("ping", "--listen", server.address, "--tls-certificate",
                                         self.path("served.crt")).returncode, 0)
            shutil.copy(self.path("two.crt"), self.path("served.crt"))  # without its key: refused
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(lambda: any("does not belong" in line for line in server.log)))
            with open(self.path("one.crt")) as f:
                self.assertEqual(served(server).split(), f.read().split())
            shutil.copy(self.path("two.key"), self.path("served.key"))
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(lambda: any("event=reloaded" in line for line in server.log)))
            with open(self.path("two.crt")) as f:
                self.assertEqual(served(server).split(), f.read().split())

    def test_a_stop_does_not_wait_for_a_training(self):
        _, store = self.shop_store()
        server = harness.Server(store)
        self.assertEqual(server.client.post("/model/train", {"epochs": 100000, "activate": "no"}).status, 202)
        self.assertTrue(wait_for(lambda: server.client.get("/model/train").json["epoch"] > 0))
        started = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - started, DEADLINE)
        self.assert_checked(store)

    def test_a_body_that_never_ends_does_not_hold_up_a_stop(self):
        server = harness.Server(self.path("store"))
        with connect(server) as s:
            s.sendall(b"POST /items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
            self.assertTrue(wait_for(lambda: re.search(r"\nstair_http_requests_in_flight 2\n",
                                                       server.client.get("/metrics").body.decode())))
            started = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - started, DEADLINE)

    def test_enough_changes_run_the_convolution_again_while_reads_go_on(self):
        _, store = self.shop_store()
        with harness.Server(store, "--propagate-changes", 5, "--propagate-every", "0.1s") as server:
            user = "propagated-1"
            items = server.client.get("/popular", {"k": 20}).items
            for item in items[:10]:
                self.assertIn(server.client.post("/interactions", {"user": user, "item": item}).status, (200, 201))
            runs = re.compile(r"\nstair_propagation_runs_total [1-9]")
            self.assertTrue(wait_for(lambda: runs.search(server.client.get("/metrics").body.decode())))
            again = server.client.get("/recommend", {"user": user})
            self.assertEqual(again.status, 200)
            self.assertIsNone(again.json["fallback"])
            self.assertFalse(set(items[:10]) & set(again.items))

    def test_the_view_of_a_list_changes_when_the_convolution_changes_lists_without_a_write(self):
        _, store = self.shop_store()
        with harness.Server(store, "--propagate-within", "2s", "--propagate-every", "0.1s") as server:
            items = server.client.get("/popular", {"k": 20}).items
            before = server.client.get("/recommend", {"user": "user-1"}).json
            self.assertEqual(before["view"], {"model": before["model"], "seq": 0})
            wrote = server.client.post("/interactions", {"interactions": [
                {"user": "user-1", "item": item} for item in items]}).json["seq"]
            first = server.client.get("/recommend", {"user": "user-1"}).json
            self.assertEqual((first["seq"], first["view"]["seq"]), (wrote, 0))
            self.assertTrue(wait_for(lambda: server.client.get("/popular").json["view"]["seq"] == wrote))
            later = server.client.get("/recommend", {"user": "user-1"}).json
            self.assertEqual((later["model"], later["seq"]), (first["model"], first["seq"]))
            self.assertEqual(later["view"], {"model": first["model"], "seq": wrote})


if __name__ == "__main__":
    harness.main()
