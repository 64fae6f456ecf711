# SPDX-License-Identifier: Apache-2.0
"""The peer of bench_torch.py: STAIR's training in PyTorch on the processor, as one would write it.

    /usr/bin/python3 tests/bench/peer_torch.py --interactions FILE [--items FILE.jsonl]
        --features NAME=FILE.npy... --neighbours NAME=K,... [--epochs 3] [--threads 2]
        [--rendering sparse|bags|csr|coo]

The method is that of docs/model.md: initialisation from the content, forward convolution over the
stacked users and items, BPR on 1,024 pairs with one uniform unseen negative each, loss.backward(), and
AdamW with the items' direction smoothed over the item graph. The program prints one JSON line: the
chosen rendering, the time of a sparse product in each rendering, and seconds and mean loss of every epoch.

A rendering is a way to multiply with a sparse matrix:
- "sparse" is torch.sparse in rows (csr) or in coordinates (coo), whichever is faster on this machine.
  Most people would write this.
- "bags" is a weighted embedding_bag, a little-known trick. Its kernel uses threads and vectors; Debian's
  torch.sparse, built without MKL, uses neither.

The matrix A is symmetric, so the gradient of the product is the same product. An autograd Function
says so, which saves a transposed copy.
"""

import argparse
import json
import sys
import time
import warnings

import numpy as np
import torch
from torch.nn import functional

DIM, LAYERS, LR = 64, 3, 1e-3


# --- data ---

def read_interactions(path, items_path, rows):
    """Training pairs as rows of users and items; split 0 where the file has a split column."""
    with open(path) as file:
        header = file.readline().rstrip("\n").split("\t")
        lines = [line.rstrip("\n").split("\t") for line in file]
    split = [n for n, name in enumerate(header) if name.split(":")[0] in ("x_label", "split")]
    lines = [line for line in lines if not split or line[split[0]] == "0"]
    if items_path:
        with open(items_path) as file:
            number = {json.loads(line)["id"]: n for n, line in enumerate(file)}
    else:
        number = {str(n): n for n in range(rows)}
    users = {}
    pairs = np.array([(users.setdefault(line[0], len(users)), number[line[1]]) for line in lines])
    return np.unique(pairs, axis=0), len(users), len(number)


def read_features(path):
    x = torch.from_numpy(np.load(path).astype(np.float32))
    return x, ~torch.isnan(x).any(dim=1)


# --- preparation ---

def initial(features, weights, pairs, users, items):
    """MI: the first left singular vectors of every modality, averaged; users: the mean of their items."""
    total, share = torch.zeros(items, DIM), torch.zeros(items, 1)
    for (x, there), weight in zip(features, weights):
        x = x[there].double()
        left, values, _ = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
        left = left[:, :DIM] * (values[:DIM] > max(x.shape) * 1.2e-7 * values[0])
        left = left * left.gather(0, left.abs().argmax(dim=0, keepdim=True)).sign()
        total[there] += weight * (left * (len(x) / DIM) ** 0.5).float()
        share[there] += weight
    e = torch.zeros(users + items, DIM)
    e[users:] = total / share.clamp(min=1e-9)
    e[:users].index_add_(0, pairs[:, 0], e[users:][pairs[:, 1]])
    e[:users] /= torch.bincount(pairs[:, 0], minlength=users).clamp(min=1)[:, None]
    return e


def normalised(rows, cols, weights, size):
    degree = torch.zeros(size).index_add_(0, rows, weights)
    values = weights / (degree[rows] * degree[cols]).sqrt()
    return torch.sparse_coo_tensor(torch.stack([rows, cols]), values, (size, size)).coalesce()


def item_graph(features, weights, items):
    """The item graph: cosine neighbours of every modality. An edge that two modalities find weighs 2."""
    dense = torch.zeros(items, items)
    for (x, there), k in zip(features, weights):
        x = functional.normalize(torch.where(there[:, None], x, torch.zeros(())))
        near = x @ x.T
        near.fill_diagonal_(-2)
        near[:, ~there] = -2
        found = near.topk(k, dim=1).indices[there]
        dense[there.nonzero().expand_as(found), found] += 1
    w = torch.maximum(dense, dense.T).to_sparse().coalesce()
    return normalised(*w.indices(), w.values(), items)


# --- sparse product ---

def product_of(matrix, rendering):
    if rendering == "coo":
        return lambda x: torch.sparse.mm(matrix, x)
    rows = matrix.to_sparse_csr()
    if rendering == "csr":
        return lambda x: rows @ x
    cols, values, starts = rows.col_indices().int(), rows.values(), rows.crow_indices()[:-1].int()
    return lambda x: functional.embedding_bag(cols, x, starts, mode="sum", per_sample_weights=values)


def renderings(matrix):
    """Seconds of the best of 5 products in every rendering."""
    found = {}
    x = torch.rand(matrix.shape[1], DIM)
    for name in ("csr", "coo", "bags"):
        product, seconds = product_of(matrix, name), []
        for _ in range(6):
            start = time.perf_counter()
            product(x)
            seconds.append(time.perf_counter() - start)
        found[name] = min(seconds[1:])
    return found


def convolve(product, x, strength, scale):
    """scale * sum_l strength^l A^l x, by Horner."""
    z = x
    for _ in range(LAYERS):
        z = torch.addcmul(x, product(z), strength)
    return z * scale


class Forward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, e, product, f, w):
        ctx.kept = product, f, w
        return convolve(product, e, f, w)

    @staticmethod
    def backward(ctx, gradient):
        return convolve(ctx.kept[0], gradient, *ctx.kept[1:]), None, None, None


# --- training ---

class Negatives:
    """Uniform items that the users do not have: drawn for a whole batch, and drawn again where the user has the item."""

    def __init__(self, pairs, items):
        self.keys, self.items = np.sort(pairs[:, 0] * items + pairs[:, 1]), items

    def seen(self, users, items):
        keys = users * self.items + items
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.keys[at] == keys

    def draw(self, users, random):
        items = random.integers(self.items, size=len(users))
        again = np.flatnonzero(self.seen(users, items))
        while len(again) > 0:
            items[again] = random.integers(self.items, size=len(again))
            again = again[self.seen(users[again], items[again])]
        return items


class AdamW:
    """AdamW on all rows at every step; the direction of the items goes through BSC."""

    def __init__(self, e, users, decay, smooth):
        self.e, self.users, self.decay, self.smooth, self.time = e, users, decay, smooth, 0
        self.m, self.v = torch.zeros_like(e), torch.zeros_like(e)

    @torch.no_grad()
    def step(self):
        g, e = self.e.grad, self.e
        self.time += 1
        self.m.mul_(0.9).add_(g, alpha=0.1)
        self.v.mul_(0.999).addcmul_(g, g, value=0.001)
        root = (self.v / (1 - 0.999 ** self.time)).sqrt_().add_(1e-8)
        direction = (self.m / (1 - 0.9 ** self.time)).div_(root)
        e.mul_(1 - LR * self.decay)
        e[:self.users].sub_(direction[:self.users], alpha=LR)
        e[self.users:].sub_(self.smooth(direction[self.users:]), alpha=LR)
        e.grad = None


def strengths(gamma):
    """Layer weights and scales of FSC and of BSC."""
    b = 0.1 + 0.9 * (torch.arange(DIM) / DIM) ** gamma
    return [(x, 1 / sum(x ** n for n in range(LAYERS + 1))) for x in (1 - b, b)]


def run_epoch(e, optimiser, forward, data, options):
    pairs, users, negatives, random = data
    order, losses = random.permutation(len(pairs)), 0.0
    for first in range(0, len(order), options.batch):
        batch = pairs[order[first:first + options.batch]]
        unseen = negatives.draw(batch[:, 0], random)
        h = forward(e)
        user = functional.embedding(torch.from_numpy(batch[:, 0]), h)
        positive = functional.embedding(torch.from_numpy(batch[:, 1] + users), h)
        negative = functional.embedding(torch.from_numpy(unseen + users), h)
        loss = functional.softplus(-(user * (positive - negative)).sum(dim=1)).mean()
        loss.backward()
        optimiser.step()
        losses += loss.item() * len(batch)
    return losses / len(order)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--interactions", required=True)
    parser.add_argument("--items")
    parser.add_argument("--features", action="append", required=True)
    parser.add_argument("--neighbours", required=True)
    parser.add_argument("--gamma", type=float, default=0.2)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rendering", default="sparse")
    return parser.parse_args()


def main():
    options = arguments()
    warnings.filterwarnings("ignore", message="Sparse CSR")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    weights = dict(part.split("=") for part in options.neighbours.split(","))
    paths = dict(part.split("=", 1) for part in options.features)
    features = [read_features(paths[name]) for name in weights]
    weights = [int(k) for k in weights.values()]
    pairs, users, items = read_interactions(options.interactions, options.items, len(features[0][0]))
    tensor = torch.from_numpy(pairs)
    e = initial(features, weights, tensor, users, items).requires_grad_()
    s = item_graph(features, weights, items)
    left, right = tensor[:, 0], tensor[:, 1] + users
    a = normalised(torch.cat([left, right]), torch.cat([right, left]), torch.ones(2 * len(pairs)), users + items)
    tried = renderings(a)
    rendering = options.rendering
    if rendering == "sparse":
        rendering = min(("csr", "coo"), key=tried.get)
    forward, backward = product_of(a, rendering), product_of(s, rendering)
    (f, w), (b, scale) = strengths(options.gamma)
    optimiser = AdamW(e, users, options.weight_decay, lambda d: convolve(backward, d, b, scale))
    data = pairs, users, Negatives(pairs, items), random
    seconds, losses = [], []
    for _ in range(options.epochs):
        start = time.perf_counter()
        losses.append(run_epoch(e, optimiser, lambda x: Forward.apply(x, forward, f, w), data, options))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "rendering": rendering,
                      "product_ms": {name: 1e3 * t for name, t in tried.items()}, "users": users, "items": items,
                      "interactions": len(pairs), "seconds": seconds, "losses": losses}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
