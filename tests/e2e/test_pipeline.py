# SPDX-License-Identifier: Apache-2.0
"""From files to lists: import, train, eval and serve agree with each other."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402
import online  # noqa: E402


class Pipeline(harness.TestCase):
    def test_lists_over_http_are_those_of_eval(self):
        _, store = self.shop_store()
        self.assertGreater(online.compare(self, store, 20, 400), 200)

    def test_eval_puts_stair_above_popular(self):
        _, store = self.shop_store()
        result = harness.run_json("eval", "--store", store)
        self.assertEqual(result["on"], "test")
        self.assertGreater(result["stair"]["Recall@20"], 1.2 * result["popular"]["Recall@20"])
        for metrics in (result["stair"], result["popular"], result["itemknn"]):
            for cutoff in (1, 10, 20):
                self.assertTrue(0 <= metrics[f"NDCG@{cutoff}"] <= 1)

    def test_a_refit_reports_the_figures_that_eval_finds(self):
        files, _ = harness.shop()
        store = self.path("store")
        harness.run("import", "--store", store, *harness.import_arguments(files, "random"))
        trained = harness.run_json("train", "--store", store, "--epochs", 20, "--dim", 32, "--refit")
        found = harness.run_json("eval", "--store", store)["stair"]
        self.assertEqual(sorted(trained["test"]), sorted(found))
        for name, value in found.items():
            self.assertAlmostEqual(trained["test"][name], value, 6, name)

    def test_the_same_seed_and_threads_give_the_same_numbers(self):
        files, _ = harness.shop()
        results = []
        for n in range(2):
            store = self.path(f"store-{n}")
            harness.run("import", "--store", store, *harness.import_arguments(files))
            trained = harness.run_json("train", "--store", store, "--epochs", 3, "--dim", 32, "--threads", 2,
                                       "--eval-every", 1, "--activate", "yes")
            lists = self.path(f"lists-{n}")
            harness.run("eval", "--store", store, "--topk", lists)
            with open(lists, "rb") as f:
                results.append((trained["valid"], trained["test"], f.read()))
        self.assertEqual(results[0], results[1])

    def test_export_gives_files_that_import_to_the_same_shop(self):
        _, store = self.shop_store()
        again = self.path("again")
        harness.run("export", "--store", store, "--to", self.dir)
        harness.run("import", "--store", again, "--interactions", self.path("interactions.jsonl"),
                    "--items", self.path("items.jsonl"))
        for what in ("items", "interactions"):
            first = harness.export(store, what).splitlines()
            second = harness.export(again, what).splitlines()
            self.assertGreater(len(first), 100)
            self.assertEqual(sorted(map(canonical, first)), sorted(map(canonical, second)))


def canonical(line):
    document = json.loads(line)
    document.pop("updated_seq", None)
    return json.dumps(document, sort_keys=True)


if __name__ == "__main__":
    harness.main()
