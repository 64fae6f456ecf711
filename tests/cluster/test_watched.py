# SPDX-License-Identifier: Apache-2.0
"""A node of a cluster has every metric that the alerts and the dashboard query about clusters."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import documents  # noqa: E402
import harness  # noqa: E402
import nats  # noqa: E402
import nodes  # noqa: E402


class Watched(harness.TestCase):
    def test_alerts_and_dashboard_ask_for_series_that_a_node_has(self):
        if nats.program() is None:
            harness.not_run("the metrics of a cluster: there is no nats-server")
            self.fail("no nats-server; see tests/support/nats_server.sh")
        _, store = self.shop_store()
        with nats.Servers(1, self.path("nats")) as servers, nodes.Nodes(self.dir, store, servers.urls, count=1) as one:
            text = one.all[0].client().get("/metrics").body.decode()
        names = set(re.findall(r"^# TYPE (stair_cluster_\S+)", text, re.M))
        known = names | {name + end for name in names for end in ("_bucket", "_sum", "_count")}
        for source in ("prometheus-rules.yml", "grafana-dashboard.json"):
            with open(os.path.join(harness.ROOT, "deploy", source), encoding="utf-8") as f:
                used = set(re.findall(r"\bstair_cluster_[a-z_]+\b", f.read()))
            self.assertGreater(len(used), 3, source)
            self.assertEqual(used - known, set(), source)
        rows = sorted(row for row in documents.metric_rows(text) if row.startswith("| `stair_cluster_"))
        told = documents.read("docs/metrics.md").splitlines(True)
        self.assertEqual(rows, [row for row in told if row.startswith("| `stair_cluster_")], "run `make documents`")


if __name__ == "__main__":
    harness.main()
