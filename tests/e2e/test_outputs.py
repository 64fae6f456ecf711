# SPDX-License-Identifier: Apache-2.0
"""What commands say about generations and users: names that are not there, files, full outputs."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Outputs(harness.TestCase):
    def test_a_generation_that_is_not_there_is_told_with_those_that_are(self):
        _, store = self.shop_store()
        for arguments in (["eval", "--generation", "77"], ["generations", "--plot", self.path("p.svg"), "--of", "77"]):
            done = harness.run(*arguments, "--store", store, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no generation 77; there is 1\n", done.stderr)

    def test_an_output_that_is_full_is_told_as_such(self):
        _, store = self.shop_store()
        for arguments in (["generations"], ["check"], ["check", "--user", "user-0"], ["eval"], ["train", "--epochs", "1"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([harness.STAIR, *arguments, "--store", store, "--json"], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=60, env=harness.ENVIRONMENT)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("standard output cannot be written: No space left on device", done.stderr)

    def test_a_users_metrics_stay_one_line_whatever_the_id_holds(self):
        _, store = self.shop_store()
        lines = self.path("i.jsonl")
        with open(lines, "w", encoding="ascii") as f:
            for n, split in enumerate(("train", "train", "test")):
                f.write('{"user":"a\\tb\\nc\\\\d","item":"sku-%d","split":"%s"}\n' % (n, split))
        harness.run("import", "--store", store, "--merge", "--interactions", lines)
        table = self.path("users.tsv")
        harness.run("eval", "--store", store, "--at", "20", "--per-user", table)
        with open(table, encoding="utf-8", newline="") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        self.assertEqual({len(row) for row in rows}, {3})
        self.assertIn("a\\tb\\nc\\\\d", [row[0] for row in rows])


if __name__ == "__main__":
    harness.main()
