# SPDX-License-Identifier: Apache-2.0
"""What commands print where: results, remarks, messages for unknown generations and users, and a full standard output."""

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
            for form in ([], ["--json"]):
                with open("/dev/full", "w", encoding="ascii") as full:
                    done = subprocess.run([harness.STAIR, *arguments, "--store", store, *form], stdout=full,
                                          stderr=subprocess.PIPE, text=True, timeout=60, env=harness.ENVIRONMENT)
                self.assertEqual(done.returncode, 1, arguments)
                self.assertIn("standard output cannot be written: No space left on device", done.stderr)

    def test_results_go_to_standard_output_and_progress_to_standard_error(self):
        """For every command that prints a result: one line of it, and one line of its remarks or progress if it has any."""
        files, _ = harness.shop()
        store = self.path("store")
        demo = ["demo", "--out", self.path("shop"), "--users", 50, "--items", 80, "--interactions", 300]
        imports = ["import", "--store", store, *harness.import_arguments(files, "random")]
        quick = ["--store", store, "--threads", 2, "--dim", 16]
        for arguments, result, remark in (
                (demo, "50 users, 80 items", "items in "),
                (imports, "the store has ", "copying features: "),
                (["train", "--epochs", 2, "--resume", *quick], "generation 1: 2 epochs", "no checkpoint to resume"),
                (["train", "--epochs", 2, "--activate", "no", *quick], "not activated", "preparing"),
                (["tune", "--epochs", 1, "--budget-epochs", 5, *quick], "choosing by validation", "preparing"),
                (["eval", "--store", store, "--baselines", "ease"], "R@20", "ease: its weights"),
                (["check", "--store", store], "0 problems", None),
                (["check", "--store", store, "--user", "user-0"], " places", None),
                (["check", "--store", store, "--digest"], " ", None),
                (["generations", "--store", store, "--prune", 1], "removed ", None),
                (["snapshot", "--store", store, "--to", self.path("copy")], "as of write", None),
                (["export", "--store", store, "--to", self.path("out")], "interactions", None),
                (["migrate", "--store", store], "already", None),
                (["key", "new", "--role", "read", "--keys", self.path("keys")], "", "shown only now")):
            done = harness.run(*arguments)
            self.assertIn(result, done.stdout, arguments)
            self.assertNotIn(result.strip() or "\0", done.stderr, arguments)
            if remark is None:
                self.assertEqual(done.stderr, "", arguments)
            else:
                self.assertIn(remark, done.stderr, arguments)
                self.assertNotIn(remark, done.stdout, arguments)

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
