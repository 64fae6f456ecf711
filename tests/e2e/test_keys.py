# SPDX-License-Identifier: Apache-2.0
"""Keys, roles and TLS."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Keys(harness.TestCase):
    def new_key(self, role):
        text = harness.run("key", "new", "--role", role, "--keys", self.path("keys")).stdout
        return re.search(r"stair_\S+", text).group(0)

    def test_each_role_may_what_it_may_and_no_key_leaves_a_trace(self):
        _, store = self.shop_store()
        keys = {role: self.new_key(role) for role in ("read", "write", "admin")}
        with open(self.path("keys"), encoding="utf-8") as f:
            kept = f.read()
        self.assertEqual(os.stat(self.path("keys")).st_mode & 0o077, 0)
        with harness.Server(store, "--keys", self.path("keys")) as server:
            ask = server.client
            for path in ("/health", "/health/live", "/health/ready", "/openapi.yaml"):
                self.assertEqual(ask.get(path).status, 200)
            calls = {"read": ("GET", "/popular", None), "write": ("PUT", "/items/key-test", {"title": "x"}),
                     "admin": ("POST", "/snapshot", {"name": "no way"})}
            order = ["read", "write", "admin"]
            bodies = set()
            for need, (method, path, body) in calls.items():
                for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer stair_nothing"},
                                {"Authorization": "Basic eDp5"}):
                    answer = ask.ask(method, path, body, headers=headers)
                    self.assert_problem(answer, 401)
                    self.assertTrue(answer.headers["WWW-Authenticate"])
                    if headers:
                        bodies.add(answer.json["detail"])
                for role, key in keys.items():
                    for headers in ({"X-API-Key": key}, {"Authorization": "Bearer " + key}):
                        answer = ask.ask(method, path, body, headers=headers)
                        if order.index(role) < order.index(need):
                            self.assert_problem(answer, 403)
                        else:
                            self.assertNotIn(answer.status, (401, 403), (role, need))
            self.assertEqual(len(bodies), 1, "an authentication failure says which part was wrong")
        traces = kept + "".join(server.log)
        for key in keys.values():
            self.assertNotIn(key, traces)

    def test_sighup_rereads_the_keys(self):
        _, store = self.shop_store()
        self.new_key("admin")
        with harness.Server(store, "--keys", self.path("keys")) as server:
            late = self.new_key("read")
            self.assertEqual(server.client.get("/popular", headers={"X-API-Key": late}).status, 401)
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 20
            while server.client.get("/popular", headers={"X-API-Key": late}).status != 200:
                self.assertLess(time.monotonic(), end, "the new key is not known")
                time.sleep(0.02)

    def test_tls_by_certificate_and_key_files(self):
        _, store = self.shop_store()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", self.path("tls.key"), "-out", self.path("tls.crt"), "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        trust = ssl.create_default_context(cafile=self.path("tls.crt"))
        with harness.Server(store, "--tls-certificate", self.path("tls.crt"), "--tls-key", self.path("tls.key"),
                            tls=trust) as server:
            self.assertEqual(server.client.get("/popular").status, 200)
            self.assertNotIn(b"200 OK", server.raw(b"GET /popular HTTP/1.1\r\nHost: x\r\n\r\n"))
            expires = self.metric(server, "stair_tls_certificate_expiry_timestamp_seconds")
            self.assertAlmostEqual(expires, time.time() + 2 * 86400, delta=600)
            self.assertEqual(self.metric(server, "stair_reload_failures_total"), 0)
            with open(self.path("tls.key"), "w", encoding="utf-8") as f:
                f.write("no key")
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 20
            while self.metric(server, "stair_reload_failures_total") == 0:
                self.assertLess(time.monotonic(), end, "the failed reload is not counted")
                time.sleep(0.02)
            self.assertEqual(server.client.get("/popular").status, 200)

    @staticmethod
    def metric(server, name):
        text = server.client.get("/metrics").body.decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))


if __name__ == "__main__":
    harness.main()
