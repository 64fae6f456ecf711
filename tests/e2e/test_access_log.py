# SPDX-License-Identifier: Apache-2.0
"""The access log names each request's caller and key, and the reason of a refusal."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEADLINE = 20


class AccessLog(harness.TestCase):
    def line(self, server, request_id):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            for line in list(server.log):
                if f"request_id={request_id} " in line + " ":
                    return dict(re.findall(r'(\w+)=("[^"]*"|\S*)', line))
            time.sleep(0.01)
        raise AssertionError("no line of " + request_id)

    def test_a_line_has_the_client_the_keys_name_and_the_reason(self):
        keys = self.path("keys")
        reader = harness.run("key", "new", "--role", "read", "--name", "front", "--keys", keys).stdout.strip()
        with harness.Server(self.path("store"), "--keys", keys, "--trusted-proxies", "127.0.0.0/8", "--body-bytes-max",
                            "4KiB") as server:
            ask = server.client.ask
            ask("GET", "/popular", headers={"X-API-Key": reader, "X-Request-Id": "well"})
            line = self.line(server, "well")
            self.assertEqual((line["client"], line["key"], line["status"]), ("127.0.0.1", "front", "200"))
            self.assertNotIn("code", line)
            ask("GET", "/popular", headers={"X-API-Key": reader, "X-Request-Id": "behind",
                                            "X-Forwarded-For": "1.1.1.1, 203.0.113.9, 127.0.0.2"})
            self.assertEqual(self.line(server, "behind")["client"], "203.0.113.9")
            for number, (method, target, headers, body, reason, key) in enumerate((
                    ("GET", "/popular", {}, None, "no_key", ""),
                    ("GET", "/popular", {"X-API-Key": "nonsense"}, None, "no_key", ""),
                    ("POST", "/items", {"X-API-Key": reader}, {"id": "a"}, "role", "front"),
                    ("POST", "/recommend", {"X-API-Key": reader}, " " * 5000, "body_size", "front"),
                    ("POST", "/recommend", {"X-API-Key": reader, "Content-Encoding": "gzip"}, {}, "encoding", "front"),
                    ("GET", "/recommend", {"X-API-Key": reader}, None, "invalid", "front"),
                    ("GET", "/items/secret-id", {"X-API-Key": reader}, None, "not_found", "front"))):
                ask(method, target, body, headers={**headers, "X-Request-Id": f"refused-{number}"})
                line = self.line(server, f"refused-{number}")
                self.assertEqual((line["code"], line["key"]), (reason, key), line)
            self.assertFalse(any("secret-id" in line or reader in line or "nonsense" in line for line in server.log))

    def test_nobody_is_believed_unless_told_so(self):
        with harness.Server(self.path("store")) as server:
            server.client.get("/popular", headers={"X-Request-Id": "forged", "X-Forwarded-For": "203.0.113.9"})
            self.assertEqual(self.line(server, "forged")["client"], "127.0.0.1")


if __name__ == "__main__":
    harness.main()
