# SPDX-License-Identifier: Apache-2.0
"""With --activate auto, a new generation becomes active only if it was compared with the active one and is as good."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

GOOD = ["--epochs", 20, "--batch", 512, "--dim", 32, "--threads", 2]
BAD = ["--epochs", 2, "--batch", 512, "--dim", 32, "--threads", 2, "--eval-every", 1, "--lr", "1e-7", "--without", "mi"]


class Activation(harness.TestCase):
    def unsplit_store(self):
        """A store without validation interactions: every training sets some aside for itself."""
        files, _ = harness.shop()
        store = self.path("store")
        harness.run("import", "--store", store, *harness.import_arguments(files, "none"))
        return store

    def active(self, store):
        return [g["generation"] for g in harness.run_json("generations", "--store", store)["generations"] if g["active"]]

    def assert_stays(self, store, why, *options):
        """Checks that the training leaves generation 1 active and says `why`."""
        done = harness.run("train", "--store", store, *options)
        self.assertIn("not activated: ", done.stdout)
        self.assertIn(why, done.stdout)
        self.assertEqual(self.active(store), [1])

    def test_without_validation_interactions_a_worse_model_does_not_take_over(self):
        store = self.unsplit_store()
        self.assertTrue(harness.run_json("train", "--store", store, *GOOD)["activated"])
        self.assert_stays(store, "less than 0.98 of that of the active generation 1", *BAD)
        self.assert_stays(store, "has no validation NDCG@5", *BAD, "--select", "NDCG@5")
        self.assert_stays(store, "by protocol stair, this one by mmrec", *BAD, "--protocol", "mmrec")
        self.assert_stays(store, "measured no validation NDCG@20", *GOOD, "--eval-every", 0)
        again = harness.run_json("train", "--store", store, *GOOD)
        self.assertTrue(again["activated"])
        self.assertIsNone(again["not_activated"])

    def test_an_active_generation_that_was_never_measured_stays(self):
        store = self.unsplit_store()
        harness.run("train", "--store", store, *GOOD, "--eval-every", 0)
        self.assertEqual(self.active(store), [1])
        told = harness.run_json("train", "--store", store, *GOOD)
        self.assertFalse(told["activated"])
        self.assertIn("the active generation 1 has no validation NDCG@20", told["not_activated"])

    def test_with_a_validation_split_a_model_that_was_not_measured_is_measured_for_it(self):
        _, store = self.shop_store()
        # Without evaluations a training chooses neither layers nor links, so the reference is trained without them too.
        harness.run("train", "--store", store, *GOOD, "--eval-every", 0, "--activate", "yes")
        done = harness.run("train", "--store", store, *GOOD, "--eval-every", 0)
        self.assertRegex(done.stdout, r"validation NDCG@20: 0\.[0-9]*[1-9][0-9]*, the active generation's 0\.")
        self.assertEqual(self.active(store), [3])

    def test_an_active_generation_without_tables_is_taken_over_from(self):
        store = self.path("old")
        os.mkdir(store)
        shutil.copy(os.path.join(harness.ROOT, "tests", "fixtures", "store-v1", "data.mdb"), store)
        harness.run("migrate", "--store", store)
        self.assertEqual(self.active(store), [1])
        trained = harness.run_json("train", "--store", store, "--epochs", 2, "--dim", 4, "--threads", 1)
        self.assertTrue(trained["activated"])
        self.assertEqual(self.active(store), [trained["generation"]])


if __name__ == "__main__":
    harness.main()
