# SPDX-License-Identifier: Apache-2.0
"""The paper's ablation table, on a folder of real data: make ablation DATA=FOLDER.

The folder holds interactions.inter with a split column, NAME_feat.npy files and maybe items.jsonl.
Environment: ABLATION_SEEDS (default 1,2,3), ABLATION_EPOCHS (150), ABLATION_OPTIONS (more options of
`stair train`, such as "--neighbours image=5,audio=1"), ABLATION_VARIANTS (all).
"""

import datetime
import glob
import json
import os
import shlex
import subprocess
import sys
import tempfile

STAIR = os.environ.get("STAIR", "build/release/stair")
SEEDS = [int(s) for s in os.environ.get("ABLATION_SEEDS", "1,2,3").split(",")]
EPOCHS = os.environ.get("ABLATION_EPOCHS", "150")
MORE = shlex.split(os.environ.get("ABLATION_OPTIONS", ""))
VARIANTS = {
    "STAIR": [],
    "without links": ["--without", "links"],
    "without links, stepwise FSC (gamma 0.2)": ["--without", "links", "--gamma-forward", "0.2"],
    "without MI": ["--without", "mi"],
    "without BSC": ["--without", "bsc"],
}
METRICS = ("Recall@10", "Recall@20", "NDCG@10", "NDCG@20")


def run(*arguments):
    done = subprocess.run([STAIR, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"stair {' '.join(arguments)}: exit status {done.returncode}")
    return done.stdout


def load(data, store):
    arguments = ["import", "--store", store, "--interactions", os.path.join(data, "interactions.inter")]
    items = os.path.join(data, "items.jsonl")
    if os.path.exists(items):
        arguments += ["--items", items]
    for path in sorted(glob.glob(os.path.join(data, "*_feat.npy"))):
        arguments += ["--features", os.path.basename(path)[:-len("_feat.npy")] + "=" + path]
    run(*arguments)


def train(store, variant, seed):
    return json.loads(run("train", "--store", store, "--epochs", EPOCHS, "--seed", str(seed), "--activate", "no",
                          "--json", *VARIANTS[variant], *MORE))


def cell(values):
    spread = f" ±{(max(values) - min(values)) / 2:.4f}" if len(values) > 1 else ""
    return f"{sum(values) / len(values):.4f}{spread}"


def main():
    data = sys.argv[1]
    if not os.path.exists(os.path.join(data, "interactions.inter")):
        print(f"NOT RUN: no interactions.inter in {data}")
        return
    wanted = os.environ.get("ABLATION_VARIANTS", ",".join(VARIANTS)).split(",")
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        load(data, store)
        rows = {v: [train(store, v, seed) for seed in SEEDS] for v in VARIANTS if v in wanted}
        evaluated = json.loads(run("eval", "--store", store, "--generation", "1", "--json"))
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    print(f"\n{os.path.basename(os.path.normpath(data))}, {today}: test, protocol {evaluated['protocol']}, masked "
          f"{evaluated['mask']}, {evaluated['users']} users; {EPOCHS} epochs, seeds {SEEDS}, {shlex.join(MORE)}")
    print("mean, and half the distance between the best and the worst seed\n")
    print("| variant | " + " | ".join(METRICS) + " | best epoch | s an epoch |")
    print("| --- |" + " --- |" * (len(METRICS) + 2))
    for variant, runs in rows.items():
        cells = [cell([r["test"][m] for r in runs]) for m in METRICS]
        epochs = ", ".join(str(r["best_epoch"]) for r in runs)
        seconds = min(r["seconds_per_epoch"] for r in runs)
        print(f"| {variant} | " + " | ".join(cells) + f" | {epochs} | {seconds:.2f} |")
    for name in ("popular", "itemknn"):
        cells = [f"{evaluated[name][m]:.4f}" for m in METRICS]
        print(f"| {name} | " + " | ".join(cells) + " | | |")


if __name__ == "__main__":
    main()
