# SPDX-License-Identifier: Apache-2.0
"""Export: the message of a run that is stopped half-way, and the files that it leaves."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

INTERRUPTED = 130
PARTS = ("items.jsonl", "interactions.jsonl")


class Export(harness.TestCase):
    def start(self, *arguments):
        return subprocess.Popen([harness.STAIR, "export", *arguments], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.ENVIRONMENT)

    def content(self, folder, name):
        with open(os.path.join(folder, name), "rb") as f:
            return f.read()

    def test_an_interrupted_part_is_a_failure(self):
        # The pipe holds less than this part of the export. So the export is still writing it when the signal comes.
        for stop in (signal.SIGTERM, signal.SIGINT):
            with self.start("interactions", "--store", self.shop_store(f"store-{stop}")[1]) as process:
                process.stdout.read(1)
                process.send_signal(stop)
                _, said = process.communicate(timeout=60)
            self.assertEqual(process.returncode, INTERRUPTED, said)
            self.assertIn(b"interrupted", said)

    def test_an_interrupted_folder_keeps_the_export_that_was_there(self):
        (_, store), folder = self.shop_store(), self.path("export")
        harness.run("export", "--store", store, "--to", folder)
        before = {name: self.content(folder, name) for name in PARTS}
        # The second file's temporary name is a pipe, which stops the export inside that file.
        half = os.path.join(folder, "interactions.jsonl.tmp")
        os.mkfifo(half)
        with self.start("--store", store, "--to", folder, "--json") as process:
            with open(half, "rb") as pipe:
                pipe.read(1)
                process.send_signal(signal.SIGINT)
                while pipe.read(1 << 16):
                    pass
            out, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, said)
        self.assertEqual(out, b"")
        self.assertEqual(sorted(os.listdir(folder)), sorted(PARTS))
        for name in PARTS:
            self.assertEqual(self.content(folder, name), before[name], name)

    def test_a_part_that_cannot_be_written_keeps_the_other_as_it_was(self):
        (_, store), folder = self.shop_store(), self.path("export")
        os.makedirs(os.path.join(folder, "interactions.jsonl.tmp"))
        with open(os.path.join(folder, "items.jsonl"), "w", encoding="utf-8") as f:
            f.write("an earlier export\n")
        done = harness.run("export", "--store", store, "--to", folder, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("interactions.jsonl.tmp", done.stderr)
        self.assertEqual(self.content(folder, "items.jsonl"), b"an earlier export\n")


if __name__ == "__main__":
    harness.main()
