# SPDX-License-Identifier: Apache-2.0
"""The commands of the tutorial print what it shows."""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import documents  # noqa: E402
import harness  # noqa: E402

FOLDER = os.path.join(harness.ROOT, "docs", "tutorial")
# A block of commands, and the block that shows what they print.
STEP = re.compile(r"```sh\n(.*?)```\n(?:```(text|json)\n(.*?)```)?", re.S)


class Tutorial(harness.TestCase):
    def test_its_files_are_what_its_script_writes(self):
        shutil.copy(os.path.join(FOLDER, "make_shop.py"), self.dir)
        subprocess.run([sys.executable, os.path.join(self.dir, "make_shop.py")], check=True, timeout=60)
        for name in ("items.csv", "purchases.csv"):
            with open(self.path(name), encoding="utf-8") as made:
                self.assertEqual(made.read(), documents.read(os.path.join("docs", "tutorial", name)), name)

    def run_commands(self, commands, shown):
        """Checks that every line shown is printed. Figures may differ between processors, so of lines with figures only the
        first words are compared."""
        printed, refused = "", shown.startswith(("stair import:", "purchases.csv:"))
        for line in commands.strip().splitlines():
            words = shlex.split(line)
            self.assertEqual(words[0], "stair")
            done = subprocess.run([harness.STAIR] + words[1:], cwd=self.dir, capture_output=True, text=True, timeout=300,
                                  env=harness.ENVIRONMENT)
            self.assertEqual(done.returncode != 0, refused, line + done.stderr)
            printed = done.stdout + done.stderr
        for line in shown.strip().splitlines():
            exact = words[1] == "import"
            found = [got for got in printed.splitlines() if (got == line if exact else got.split()[:1] == line.split()[:1])]
            self.assertTrue(found, f"{commands}does not print: {line}\n{printed}")

    def assert_answer(self, got, expected, command):
        """Checks that lists have the same first item with about the same score, and that everything else is equal."""
        self.assertEqual(got.keys(), expected.keys(), command)
        for name in got.keys() - {"items", "recommendation_id"}:
            self.assertEqual(got[name], expected[name], f"{command}{name}")
        hits, shown = got.get("items", []), expected.get("items", [])
        self.assertEqual([hit.keys() for hit in hits], [hit.keys() for hit in shown], command)
        for hit, first in zip(hits[:1], shown):
            self.assertEqual(hit["item"], first["item"], command)
            self.assertLess(abs(hit["score"] - first["score"]), 0.25 * first["score"], command)

    def test_its_commands_print_and_answer_what_it_shows(self):
        for path in glob.glob(os.path.join(FOLDER, "*.csv")):
            shutil.copy(path, self.dir)
        steps = STEP.findall(documents.read("docs/tutorial.md"))
        serve = [commands.split()[:2] for commands, _, _ in steps].index(["stair", "serve"])
        for commands, _, shown in steps[:serve]:
            self.run_commands(commands, shown)
        calls = steps[serve + 1:]
        self.assertEqual(len(calls), 4)
        with harness.Server(self.path("shop")) as server:
            for command, _, shown in calls:
                words = shlex.split(command.replace("127.0.0.1:8080", server.address))
                got = json.loads(subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout)
                expected = json.loads(shown)
                self.assert_answer(got, expected, command)


if __name__ == "__main__":
    harness.main()
