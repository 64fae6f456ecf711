# SPDX-License-Identifier: Apache-2.0
"""stair tune: it prints its choice as options that repeat it, and an interruption keeps what was chosen so far."""

import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

OPTIONS = ["--dim", "16", "--batch", "512", "--threads", "2", "--eval-every", "1", "--activate", "no"]


class Tune(harness.TestCase):
    def interrupted(self, store, until, *options):
        """Starts tuning and interrupts it at the first line for which `until` is true; returns all its lines."""
        process = subprocess.Popen([harness.STAIR, "tune", "--store", store, *OPTIONS, *options],
                                   env=harness.ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if until(line):
                break
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
        process.stdout.close()
        self.assertNotEqual(process.wait(), 0)
        return "".join(lines)

    @staticmethod
    def merged(*options):
        """Joins options; a later option replaces an earlier one of the same name."""
        found = {}
        for name, value in zip(options[::2], options[1::2]):
            found[name] = value
        return [word for pair in found.items() for word in pair]

    def chosen(self, text):
        return re.search("^chosen: (.*)$", text, re.MULTILINE).group(1).split(" ")

    def test_what_was_chosen_is_said_and_trains_the_same_again(self):
        _, store = self.shop_store()
        done = harness.run("tune", "--store", store, "--budget-epochs", 40, "--epochs", 4, *OPTIONS, "--protocol", "mmrec")
        self.assertIn("choosing by validation NDCG@20, protocol mmrec, masked: train\n", done.stdout)
        chosen = self.chosen(done.stdout)
        self.assertIn("--neighbours", chosen)
        spent, budget = map(int, re.findall(r"^ *(\d+)/(\d+) ", done.stdout, re.MULTILINE)[-1])
        self.assertLessEqual(spent, budget)
        tuned = harness.run_json("generations", "--store", store)["generations"][-1]
        again = harness.run_json("train", "--store", store, "--epochs", 4,
                                 *self.merged(*OPTIONS, "--protocol", "mmrec", *chosen))
        for name, value in again["valid"].items():
            self.assertAlmostEqual(value, tuned["valid"][name], 9)
        neighbours = {m["name"]: m["neighbours"] for m in tuned["modalities"]}
        self.assertEqual(again["options"]["neighbours"], neighbours)

    def test_it_races_every_knob_and_says_when_a_baseline_stays_ahead(self):
        _, store = self.shop_store()
        # At such a low learning rate, the popular list is better than the model, whatever tuning chooses.
        done = harness.run("tune", "--store", store, "--epochs", 1, *OPTIONS, "--lr", 1e-9, "--without", "mi",
                           "--without", "links", "--budget-epochs", 60, "--json")
        report = json.loads(done.stdout)
        settings = [trial["options"] for trial in report["trials"]]
        for name, wanted in (("layers", {2, 3, 6}), ("dim", None), ("lr", None)):
            tried = {setting[name] for setting in settings}
            self.assertGreater(len(tried), 1, name)
            self.assertLessEqual(wanted or set(), tried, name)
        self.assertIn("fsc", settings[0]["without"])
        self.assertIn(report["baseline_ahead"], ("popular", "itemknn"))
        self.assertRegex(done.stderr, "(popular|itemknn) is ahead of this model")

    def test_a_small_budget_is_kept_by_leaving_races_out(self):
        _, store = self.shop_store()
        done = harness.run("tune", "--store", store, "--budget-epochs", 5, "--epochs", 4, *OPTIONS)
        spent, budget = map(int, re.findall(r"^ *(\d+)/(\d+) ", done.stdout, re.MULTILINE)[-1])
        self.assertEqual((spent, budget), (5, 5))

    def test_interrupted_while_it_chooses_it_promises_nothing(self):
        _, store = self.shop_store()
        # There are so many candidates that tuning has not ended when the signal comes.
        told = self.interrupted(store, lambda line: "forward " in line, "--budget-epochs", "100000")
        self.assertIn("stopped while choosing options; nothing is kept", told)
        self.assertNotIn("--resume", told)

    def test_interrupted_while_it_trains_the_options_it_names_go_on(self):
        _, store = self.shop_store()
        checkpoint = os.path.join(store, "train.checkpoint")

        def saved(line):
            while line.startswith("chosen") and not os.path.exists(checkpoint):
                time.sleep(0.002)
            return line.startswith("chosen")

        told = self.interrupted(store, saved, "--budget-epochs", "40", "--epochs", "100000")
        self.assertIn("stair train --resume, the same options and the chosen ones", told)
        resumed = harness.run("train", "--store", store, *self.merged(*OPTIONS, *self.chosen(told)), "--epochs", 1,
                              "--resume")
        self.assertNotIn("no checkpoint", resumed.stderr)
        self.assertFalse(os.path.exists(checkpoint))


if __name__ == "__main__":
    harness.main()
