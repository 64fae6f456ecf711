# SPDX-License-Identifier: Apache-2.0
"""Times one training at the size of Amazon Electronics: making the files, import, preparation, one epoch.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_electronics.py [--users 192000]
        [--items 63000] [--interactions 1700000] [--text 384] [--image 4096] [--threads 2] [--folder DIR]

The shop has 192,000 users, 63,000 items, 1.7 million interactions, and features 384 and 4,096 wide. It
lies in a temporary folder of some 4 GB inside --folder, which is deleted afterwards. Each step is a
process of the real binary. Memory is given in two parts: what the process allocated (anonymous), and
the store's pages that it has mapped (file), which the system can take back at any time. Both are the
largest values that sampling saw.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.environ.get("STAIR", os.path.join(ROOT, "build", "release", "stair"))
SAMPLE_SECONDS = 0.02


class Step:
    """Runs the binary once; returns its seconds, its output lines with the second of each, and its memory."""

    def __init__(self, *arguments):
        self.started = time.monotonic()
        self.lines, self.errors = [], tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([STAIR, *arguments], stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.anonymous = self.file = 0
        reader = threading.Thread(target=self.read)
        reader.start()
        while self.process.poll() is None:
            self.sample()
            time.sleep(SAMPLE_SECONDS)
        self.seconds = time.monotonic() - self.started
        reader.join()
        if self.process.returncode != 0:
            self.errors.seek(0)
            sys.exit(f"stair {' '.join(arguments)}: exit status {self.process.returncode}\n{self.errors.read()[-3000:]}")

    def read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.started, line.strip()))

    def sample(self):
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                text = status.read()
        except OSError:
            return
        kib = {name: int(value) for name, value in re.findall(r"Rss(Anon|File):\s+(\d+)", text)}
        self.anonymous = max(self.anonymous, kib.get("Anon", 0) / 1024)
        self.file = max(self.file, kib.get("File", 0) / 1024)


def row(what, seconds, step=None):
    memory = f"{step.anonymous:.0f} | {step.file:.0f}" if step else " | "
    print(f"| {what} | {seconds:.1f} | {memory} |", flush=True)


def train(store, options):
    step = Step("train", "--store", store, "--preset", "electronics", "--epochs", "1", "--eval-every", "0",
                "--threads", str(options.threads), "--activate", "no", "--json", "--progress-fd", "1")
    report = json.loads(step.lines[-1][1])
    # The training prints a line when it begins each modality, when the epoch ends, and when all is stored.
    begun = [at for at, line in step.lines if line.startswith("epoch=0")]
    ended = next(at for at, line in step.lines if line.startswith("epoch=1"))
    epoch = report["seconds_per_epoch"]
    names = ["text", "image"]  # as imported
    row("train: loading, interaction graph", begun[0])
    for name, start, end in zip(names, begun, begun[1:] + [ended - epoch]):
        row(f"train: whitening and neighbours of {name}", end - start)
    row("train: one epoch", epoch)
    row("train: last convolution, writing the generation", step.seconds - ended)
    row("train: all", step.seconds, step)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=192000)
    parser.add_argument("--items", type=int, default=63000)
    parser.add_argument("--interactions", type=int, default=1700000)
    parser.add_argument("--text", type=int, default=384)
    parser.add_argument("--image", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder")
    options = parser.parse_args()
    subprocess.run([os.path.join(ROOT, "tests", "support", "machine.sh")], check=True, cwd=ROOT)
    print(f"{options.users} users, {options.items} items, {options.interactions} interactions, features "
          f"{options.text} and {options.image} wide, {options.threads} threads; load average {os.getloadavg()[0]:.1f}\n")
    print("| step | seconds | anonymous MiB at most | file MiB at most |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        shop, store = os.path.join(folder, "shop"), os.path.join(folder, "store")
        step = Step("demo", "--out", shop, "--users", str(options.users), "--items", str(options.items),
                    "--interactions", str(options.interactions), "--text-dim", str(options.text),
                    "--image-dim", str(options.image))
        row("making the files", step.seconds, step)
        step = Step("import", "--store", store, "--interactions", os.path.join(shop, "interactions.inter"),
                    "--items", os.path.join(shop, "items.jsonl"), "--features", f"text={shop}/text.npy",
                    "--features", f"image={shop}/image.npy")
        row("import", step.seconds, step)
        train(store, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
