# SPDX-License-Identifier: Apache-2.0
"""A training that is killed continues from its checkpoint and ends with the same result."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

F_SETPIPE_SZ = 1031  # of Linux; Python names it from 3.10 on
OPTIONS = ["--patience", "0", "--epochs", "40", "--eval-every", "1", "--batch", "128", "--dim", "32", "--threads", "2", "--seed", "3",
           "--activate", "no"]


class Resume(harness.TestCase):
    def store(self, name):
        files, _ = harness.shop()
        store = self.path(name)
        harness.run("import", "--store", store, *harness.import_arguments(files))
        return store

    def killed_after_a_checkpoint(self, store):
        """Starts a training, waits until it has saved a checkpoint, and kills it by SIGKILL. It cannot end before: nobody
        reads its progress, and the pipe has room for only half of the epochs."""
        checkpoint = os.path.join(store, "train.checkpoint")
        unread, progress = os.pipe()
        fcntl.fcntl(progress, F_SETPIPE_SZ, 4096)
        os.write(progress, bytes(2500))
        process = subprocess.Popen([harness.STAIR, "train", "--store", store, *OPTIONS, "--progress-fd", str(progress)],
                                   env=harness.ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, pass_fds=[progress])
        os.close(progress)
        while not os.path.exists(checkpoint) and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        os.close(unread)
        self.assertEqual(process.wait(), -signal.SIGKILL, "the training ended before it could be killed")
        self.assertTrue(os.path.exists(checkpoint))

    def test_a_killed_training_resumed_gives_the_numbers_of_an_uninterrupted_one(self):
        whole = harness.run_json("train", "--store", self.store("whole"), *OPTIONS)
        store = self.store("killed")
        self.killed_after_a_checkpoint(store)
        resumed = harness.run_json("train", "--store", store, *OPTIONS, "--resume")
        for key in ("epochs", "best_epoch", "valid", "test"):
            self.assertEqual(resumed[key], whole[key], key)
        self.assertFalse(os.path.exists(os.path.join(store, "train.checkpoint")))
        generations = json.loads(harness.run("generations", "--store", store, "--json").stdout)["generations"]
        self.assertEqual([g["state"] for g in generations], ["ready"])

    def test_a_checkpoint_of_other_options_is_refused_and_without_one_it_starts_anew(self):
        store = self.store("other")
        self.killed_after_a_checkpoint(store)
        for asked, why in ((["--lr", "0.01"], "lr: the checkpoint was made with 0.0015, not 0.01"),
                           (["--without", "mi"], "without: the checkpoint was made with fsc, not mi fsc"),
                           (["--neighbours", "text=3"], "made with text=5, not text=3"),
                           (["--refit"], "refit: the checkpoint is of a training without, this one is with it")):
            refused = harness.run("train", "--store", store, *OPTIONS, *asked, "--resume", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(why, refused.stderr)
            self.assertNotIn("preparing", refused.stderr)
        os.remove(os.path.join(store, "train.checkpoint"))
        again = harness.run("train", "--store", store, *OPTIONS, "--resume")
        self.assertIn("no checkpoint to resume", again.stderr)

    def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(self):
        store = self.store("blocked")
        draft = os.path.join(store, "train.checkpoint.tmp")
        os.mkdir(draft)
        done = harness.run("train", "--store", store, *OPTIONS)
        self.assertEqual(done.stderr.count("warning: the checkpoint could not be written: writing " + draft), 1)
        self.assertIn("generation 1: 40 epochs", done.stdout)


if __name__ == "__main__":
    harness.main()
