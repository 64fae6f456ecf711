# SPDX-License-Identifier: Apache-2.0
"""New items on real data: better than the nearest neighbours by features."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

FLOOR = 1.13  # of the Recall@20 of content kNN among the hidden items; measured: 1.16


class Cold(harness.TestCase):
    def test_hidden_items_are_found_better_than_by_content_alone(self):
        data = os.path.join(harness.SHARED_DATA, "sports")
        if not os.path.exists(os.path.join(data, "interactions.inter")):
            harness.not_run("the floor of the cold start: no real data in ../shared/data/sports")
            return
        bench = "build/release/tests/bench/bench_cold"
        subprocess.run(["make", "-s", bench], check=True)
        done = subprocess.run([bench, data], check=True, capture_output=True, text=True, timeout=1400,
                              env=dict(os.environ, RATIO_ONLY="1", GOMP_SPINCOUNT="1000"))
        print(done.stdout)
        self.assertGreaterEqual(json.loads(done.stdout.splitlines()[-1])["cold_recall_over_content_knn"], FLOOR)


if __name__ == "__main__":
    harness.main()
