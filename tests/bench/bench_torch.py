# SPDX-License-Identifier: Apache-2.0
"""Seconds an epoch of `stair train` beside PyTorch (peer_torch.py): same files, same threads, in turns.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_torch.py [--rounds 3] [--threads 2]
        [--epochs 2] [--data ../shared/data/tiktok] [--json FILE]

Three programs run in turns: stair, the peer with torch.sparse, and the peer with embedding_bag in its
place (peer_torch.py explains both). A ratio is the median of the rounds' ratios. The data are TikTok,
if --data has it, and a drawn shop of Amazon Baby's size. The bench also prints each epoch's mean loss.
All programs learn the same, so their losses differ only by the random order and the random negatives.
TORCH_PYTHON names the Python of the peer, for a PyTorch other than Debian's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.environ.get("STAIR", os.path.join(ROOT, "build", "release", "stair"))
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_torch.py")
PYTHON = os.environ.get("TORCH_PYTHON", "/usr/bin/python3")
BABY = ("--users", "19445", "--items", "7050", "--interactions", "118551")
# How far one epoch's mean loss may differ between two sequences of random numbers.
LOSS_TOLERANCE = 0.002
RENDERINGS = ("sparse", "bags")


def run(*command, environment=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          env=dict(os.environ, **(environment or {})))
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def features_of(folder):
    """{name: file}: NAME.npy or NAME_feat.npy."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".npy"))
    return {name[:-4].removesuffix("_feat"): os.path.join(folder, name) for name in names}


def files_of(folder):
    """The same arguments for `stair import` and for the peer."""
    command = ["--interactions", os.path.join(folder, "interactions.inter")]
    items = os.path.join(folder, "items.jsonl")
    if os.path.exists(items):
        command += ["--items", items]
    for name, path in features_of(folder).items():
        command += ["--features", f"{name}={path}"]
    return command


def train_stair(store, neighbours, options):
    """Median seconds an epoch, losses and peak memory of a process of its own."""
    out = run(STAIR, "train", "--store", store, "--neighbours", neighbours, "--threads", str(options.threads),
              "--epochs", str(options.epochs), "--eval-every", "0", "--activate", "no", "--json", "--progress-fd", "1")
    lines = out.splitlines()
    losses = {}
    for line in lines:
        words = dict(word.split("=", 1) for word in line.split() if line.startswith("epoch=") and "=" in word)
        if "loss" in words and words["epoch"] != "0":
            losses[int(words["epoch"])] = float(words["loss"])
    report = json.loads(lines[-1])
    return {"seconds": report["seconds_per_epoch"], "losses": [losses[n] for n in sorted(losses)],
            "peak_mib": report["peak_rss_mib"]}


def train_peer(folder, neighbours, rendering, options):
    threads = str(options.threads)
    # stair sets the spin count itself. libgomp's default costs the peer time on a busy machine, so it gets the same.
    environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "GOMP_SPINCOUNT": "1000"}
    out = run(PYTHON, PEER, *files_of(folder), "--neighbours", neighbours, "--threads", threads,
              "--epochs", str(options.epochs), "--rendering", rendering, environment=environment)
    report = json.loads(out)
    return dict(report, seconds=statistics.median(report["seconds"]))


def bench(name, folder, neighbours, options):
    with tempfile.TemporaryDirectory() as temporary:
        store = os.path.join(temporary, "store")
        run(STAIR, "import", "--store", store, *files_of(folder))
        ours, theirs = [], {rendering: [] for rendering in RENDERINGS}
        for _ in range(options.rounds):
            ours.append(train_stair(store, neighbours, options))
            for rendering, runs in theirs.items():
                runs.append(train_peer(folder, neighbours, rendering, options))
    peer = theirs["sparse"][0]
    print(f"{name}: {peer['users']} users, {peer['items']} items, {peer['interactions']} interactions, "
          f"{peer['threads']} threads, PyTorch {peer['torch']}")
    seconds = statistics.median(run["seconds"] for run in ours)
    print(f"  stair         {seconds:.3f} s an epoch, losses {losses_of(ours)}")
    result = {"name": name, "stair": ours, "peer": theirs}
    for rendering, runs in theirs.items():
        result["ratio_" + rendering] = show(rendering, ours, runs)
    return result


def losses_of(runs):
    return " ".join(f"{loss:.5f}" for loss in runs[0]["losses"])


def show(rendering, ours, theirs):
    """Prints the line of the peer and returns the ratio. Ends the bench if the losses differ."""
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(ours, theirs)]
    seconds, first = statistics.median(run["seconds"] for run in theirs), theirs[0]
    print(f"  torch {first['rendering']:<7} {seconds:.3f} s an epoch, losses {losses_of(theirs)}: "
          f"{statistics.median(ratios):.1f} times as long ({', '.join(f'{r:.1f}' for r in ratios)}); "
          f"a product {first['product_ms'][first['rendering']]:.1f} ms", flush=True)
    if any(abs(a - b) > LOSS_TOLERANCE * b for a, b in zip(ours[0]["losses"], first["losses"])):
        sys.exit(f"bench_torch: the losses of {rendering} differ; this is not the same work")
    return statistics.median(ratios)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data", "tiktok"))
    parser.add_argument("--json")
    options = parser.parse_args()
    subprocess.run([os.path.join(ROOT, "tests", "support", "machine.sh")], check=True, cwd=ROOT)
    print(f"load average {os.getloadavg()[0]:.1f}")
    results = []
    if os.path.exists(os.path.join(options.data, "interactions.inter")):
        results.append(bench("TikTok", options.data, "image=5,audio=1", options))
    else:
        print(f"NOT RUN: TikTok, no interactions.inter in {options.data}")
    with tempfile.TemporaryDirectory() as shop:
        run(STAIR, "demo", "--out", shop, *BABY)
        results.append(bench("like Amazon Baby", shop, "text=5,image=1", options))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
