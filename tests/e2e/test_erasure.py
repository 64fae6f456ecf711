# SPDX-License-Identifier: Apache-2.0
"""An erasure removes a user from every table, log and kept answer, and from a training that has already begun."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Erasure(harness.TestCase):
    def places(self, store, user):
        return harness.run_json("check", "--store", store, "--user", user)

    def test_the_receipt_counts_what_went_and_check_finds_nothing(self):
        files, store = self.shop_store()
        user, had = next(iter(harness.shop_users(files, 1).items()))
        with harness.Server(store) as server:
            ask = server.client
            key = {"Idempotency-Key": "an-order"}
            one = {"interactions": [{"user": user, "item": had[0], "type": "cart"}]}
            self.assertIn(ask.post("/interactions", one, headers=key).status, (200, 201))
            self.assertGreater(self.places(store, user)["places"], 3)
            gone = ask.delete("/users/" + user)
            self.assertEqual(gone.status, 200, gone.body)
            self.assertIn(str(len(set(had)) + 1), gone.body.decode(), "the interactions are counted")
            # The Idempotency-Key is still known, so a late repeat of the write does not create the user again.
            again = ask.post("/interactions", one, headers=key)
            self.assert_problem(again, 404, detail="erased")
            self.assert_problem(ask.get("/users/" + user), 404)
            self.assertEqual(self.places(store, user), {"user": user, "places": 0, "list": []})
            # A write with a new key creates a new user, without the old interactions.
            self.assertIn(ask.post("/interactions", one).status, (200, 201))
            self.assertEqual(len(ask.get(f"/users/{user}/interactions").json["interactions"]), 1)
        self.assert_checked(store)

    def test_a_training_that_began_before_does_not_bring_the_user_back(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store) as server:
            ask = server.client
            training = subprocess.Popen([harness.STAIR, "train", "--store", store, "--epochs", "60", "--dim", "32",
                                         "--eval-every", "1", "--activate", "yes"], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True, env=harness.ENVIRONMENT)
            for line in training.stderr:  # when it prepares, it has read its data
                if "preparing" in line:
                    break
            gone = ask.delete("/users/" + user)
            self.assertEqual(gone.status, 200, gone.body)
            rest = training.stderr.read()
            self.assertEqual(training.wait(120), 0, rest)
            training.stderr.close()
            made = json.loads(harness.run("generations", "--store", store, "--json").stdout)["generations"][-1]
            self.assertEqual(made["state"], "ready")
            self.assert_problem(ask.get("/users/" + user), 404)
            self.assertEqual(ask.get("/recommend", {"user": user}).json["fallback"], "unknown_user")
            self.assertEqual(self.places(store, user)["places"], 0)
        # `stair check` also verifies that the rows of an erased user are zero in every table. The seq shows that
        # the training read its data before the erasure.
        self.assertLess(made["seq"], gone.json["seq"])
        self.assert_checked(store)
        self.assertFalse(os.path.exists(os.path.join(store, "train.checkpoint")))

    def test_a_checkpoint_goes_with_the_user(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        checkpoint = os.path.join(store, "train.checkpoint")
        with harness.Server(store) as server:
            training = subprocess.Popen([harness.STAIR, "train", "--store", store, "--epochs", "5000", "--dim", "32",
                                         "--eval-every", "1"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        text=True, env=harness.ENVIRONMENT)
            for _ in training.stderr:
                if os.path.exists(checkpoint):
                    break
            training.kill()
            training.wait()
            training.stderr.close()
            self.assertTrue(os.path.exists(checkpoint))
            self.assertEqual(server.client.delete("/users/" + user).status, 200)
            self.assertFalse(os.path.exists(checkpoint))
        self.assert_checked(store)


if __name__ == "__main__":
    harness.main()
