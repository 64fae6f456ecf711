# SPDX-License-Identifier: Apache-2.0
"""Alert rules and the dashboard's queries, in a real Prometheus that scrapes a service."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEPLOY = os.path.join(harness.ROOT, "deploy")
# Metrics that appear only after events that this test does not cause.
MAY_BE_EMPTY = re.compile(r"quota_bytes|stair_cluster_")


class Prometheus:
    def __init__(self, folder, target):
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as f:
            f.write("global: {scrape_interval: 200ms, evaluation_interval: 1s}\n"
                    f"rule_files: ['{DEPLOY}/prometheus-rules.yml']\n"
                    f"scrape_configs: [{{job_name: stair, static_configs: [{{targets: ['{target}']}}]}}]\n")
        self.address = None
        self.process = subprocess.Popen(
            ["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + os.path.join(folder, "tsdb"),
             "--web.listen-address=127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"Listening on.*address=(127\.0\.0\.1:\d+)", line)
            if found:
                self.address = found.group(1)
                break
        else:
            raise AssertionError("prometheus did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def ask(self, path, **query):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", path + "?" + urllib.parse.urlencode(query))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        # While Prometheus starts, it answers 503 with a plain text.
        return json.loads(body) if answer.status != 503 else {"status": "starting", "data": {"result": []}}

    def stop(self):
        self.process.kill()
        self.process.wait()


class Watched(harness.TestCase):
    def test_the_alert_rules_pass_their_tests(self):
        for command in (["check", "rules", DEPLOY + "/prometheus-rules.yml"],
                        ["test", "rules", DEPLOY + "/prometheus-rules.test.yml"],
                        ["test", "rules", DEPLOY + "/prometheus-rules-days.test.yml"]):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=600)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_is_in_the_run_book(self):
        with open(DEPLOY + "/prometheus-rules.yml", encoding="utf-8") as f:
            alerts = re.findall(r"- alert: (\S+)", f.read())
        with open(os.path.join(harness.ROOT, "docs", "operations.md"), encoding="utf-8") as f:
            book = f.read()
        self.assertGreater(len(alerts), 5)
        self.assertEqual([a for a in alerts if a not in book], [])

    def test_a_real_prometheus_scrapes_it_and_every_query_of_the_dashboard_finds_something(self):
        files, store = self.shop_store()
        # No encoder listens there, but with an address the service has the metrics of an encoder.
        encoder = ["--encoder-url", "http://127.0.0.1:9/v1/embeddings", "--encoder-model", "none", "--encoder-modality", "other"]
        with harness.Server(store, *encoder) as server:
            prometheus = Prometheus(self.dir, server.address)
            try:
                users = list(harness.shop_users(files, 5))
                end, up = time.monotonic() + 60, []
                while not up or up[0]["value"][1] != "1":
                    self.assertLess(time.monotonic(), end, "never scraped")
                    up = prometheus.ask("/api/v1/query", query='up{job="stair"}')["data"]["result"]
                queries = self.queries()
                missing = set(queries)
                end = time.monotonic() + 60
                while missing and time.monotonic() < end:
                    for user in users:
                        server.client.get("/recommend", {"user": user})
                    server.client.post("/interactions", {"interactions": [{"user": users[0], "item": "nothing"}]})
                    server.client.put("/items/watched", {"title": str(time.monotonic())})
                    for query in sorted(missing):
                        answer = prometheus.ask("/api/v1/query", query=query)
                        self.assertEqual(answer["status"], "success", (query, answer))
                        if answer["data"]["result"] or MAY_BE_EMPTY.search(query):
                            missing.discard(query)
                self.assertEqual(missing, set())
                known = self.metric_names(server.client.get("/metrics").body.decode())
                for source in ("prometheus-rules.yml", "grafana-dashboard.json"):
                    with open(os.path.join(DEPLOY, source), encoding="utf-8") as f:
                        used = set(re.findall(r"\bstair_[a-z_]+\b", f.read()))
                    # tests/cluster/test_watched.py checks the metrics of several nodes.
                    alone = {name for name in used if not name.startswith("stair_cluster_")}
                    self.assertEqual(alone - known, set(), source)
            finally:
                prometheus.stop()

    @staticmethod
    def queries():
        with open(DEPLOY + "/grafana-dashboard.json", encoding="utf-8") as f:
            panels = json.load(f)["panels"]
        return [t["expr"].replace("$__rate_interval", "1m").replace('"$instance"', '".*"')
                for panel in panels for t in panel.get("targets", [])]

    @staticmethod
    def metric_names(text):
        names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
        return names | {n + end for n in names for end in ("_bucket", "_sum", "_count")}


if __name__ == "__main__":
    harness.main()
