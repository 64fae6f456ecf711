# SPDX-License-Identifier: Apache-2.0
"""An alert from its cause to the person on call: a real Prometheus with the shipped configuration and rules, a
real Alertmanager with the shipped routing, and a receiver. Only addresses and waiting times are replaced."""

import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEPLOY = os.path.join(harness.ROOT, "deploy")


class Receiver(http.server.ThreadingHTTPServer):
    """Receives the two webhooks; keeps what came to /page and to /ticket, as (alert name, status)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hook)
        self.came = {"/page": [], "/ticket": []}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.came[self.path] += [(a["labels"]["alertname"], a["status"]) for a in message["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Alerts(harness.TestCase):
    def start(self, *command):
        """Starts a program that prints where it listens, and returns the address."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for line in process.stderr:
            found = re.search(r"Listening on.*address=(127\.0\.0\.1:\d+)", line)
            if found:
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return found.group(1)
        raise AssertionError(command[0] + " did not start")

    def shipped(self, name, *replacements):
        """Copies a file of deploy/ with other addresses and times. Each text to replace must occur in it."""
        with open(os.path.join(DEPLOY, name), encoding="utf-8") as f:
            text = f.read()
        for old, new in replacements:
            text, count = re.subn(old, new, text)
            self.assertGreater(count, 0, (name, old))
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def alertmanager(self, receiver):
        config = self.shipped("alertmanager.yml", (r"http://127\.0\.0\.1:9999", f"http://127.0.0.1:{receiver.server_port}"),
                              (r"group_wait: \d+s", "group_wait: 100ms"), (r"group_interval: 5m", "group_interval: 200ms"))
        return self.start("prometheus-alertmanager", "--config.file=" + config, "--web.listen-address=127.0.0.1:0",
                          "--cluster.listen-address=", "--storage.path=" + self.path("alertmanager"))

    def prometheus(self, server, alertmanager, key):
        with open(self.path("prometheus.key"), "w", encoding="ascii") as f:
            f.write(key)
        self.shipped("prometheus-rules.yml", (r"for: \d+[mh]", "for: 0s"))
        config = self.shipped("prometheus.yml", ("stair:8080", server.address), ("alertmanager:9093", alertmanager),
                              ("/run/secrets/", self.dir + "/"), ("_interval: 15s", "_interval: 200ms"))
        return self.start("prometheus", "--config.file=" + config, "--storage.tsdb.path=" + self.path("tsdb"),
                          "--web.listen-address=127.0.0.1:0")

    def until(self, what, get, want):
        end = time.monotonic() + 90
        while not want(get()):
            self.assertLess(time.monotonic(), end, (what, get()))
            time.sleep(0.05)

    def test_a_dead_service_pages_and_a_missing_model_is_a_ticket(self):
        files = self.path("shop")
        harness.run("demo", "--out", files, "--users", 50, "--items", 60, "--interactions", 300)
        harness.run("import", "--store", self.path("store"), "--interactions", files + "/interactions.inter")
        keys = self.path("keys")
        key = harness.run("key", "new", "--role", "read", "--name", "prometheus", "--keys", keys).stdout.split()[-1]
        receiver = Receiver()
        self.addCleanup(receiver.server_close)
        self.addCleanup(receiver.shutdown)
        with harness.Server(self.path("store"), "--keys", keys, client_headers={"Authorization": "Bearer " + key}) as server:
            alertmanager = self.alertmanager(receiver)
            self.prometheus(server, alertmanager, key)
            self.until("a ticket", lambda: receiver.came["/ticket"], lambda came: ("StairNoModel", "firing") in came)
            self.assertNotIn("StairDown", [name for name, _ in receiver.came["/page"]])
            server.kill()
            self.until("a page", lambda: receiver.came["/page"], lambda came: ("StairDown", "firing") in came)
        self.assertNotIn("StairDown", [name for name, _ in receiver.came["/ticket"]])
        self.assertNotIn("StairNoModel", [name for name, _ in receiver.came["/page"]])

    def test_a_service_that_is_down_has_no_tickets(self):
        receiver = Receiver()
        self.addCleanup(receiver.server_close)
        self.addCleanup(receiver.shutdown)
        address = self.alertmanager(receiver)
        alerts = [{"labels": {"alertname": name, "severity": severity, "instance": instance}}
                  for name, severity, instance in (("StairDown", "page", "one"), ("StairModelOld", "ticket", "one"),
                                                   ("StairSlowCommits", "ticket", "two"))]
        for alert in alerts:  # one after the other, so that the cause fires before its consequence
            self.call(address, "POST", [alert])
        self.until("the ticket of the other service", lambda: receiver.came["/ticket"], lambda came: came != [])
        self.until("the page", lambda: receiver.came["/page"], lambda came: came != [])
        states = {a["labels"]["alertname"]: a["status"]["state"] for a in self.call(address, "GET")}
        self.assertEqual(states, {"StairDown": "active", "StairModelOld": "suppressed", "StairSlowCommits": "active"})
        self.assertEqual(receiver.came, {"/page": [("StairDown", "firing")], "/ticket": [("StairSlowCommits", "firing")]})

    @staticmethod
    def call(address, method, body=None):
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request(method, "/api/v2/alerts", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise AssertionError((method, answer.status, text))
        return json.loads(text) if text else None


if __name__ == "__main__":
    harness.main()
