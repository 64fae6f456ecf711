# SPDX-License-Identifier: Apache-2.0
"""The program that bench_serve.py compares with stair: a recommender as a Python team would write it in an hour.

FastAPI runs on uvicorn and searches faiss.IndexFlatIP; every package is Debian's. The program keeps the
vectors of items and users in memory, leaves out what the user has, and answers with ids and scores.
So it does less than stair: no writes, no store, no filters, no explanations. Each worker searches with
one thread.
"""

import os

import faiss
import numpy
from fastapi import FastAPI

faiss.omp_set_num_threads(1)
folder = os.environ["PEER"]
items = numpy.fromfile(os.path.join(folder, "items.f32"), "<f4").reshape(-1, 64)
pairs = numpy.fromfile(os.path.join(folder, "pairs.u32"), "<u4").reshape(-1, 2)
index = faiss.IndexFlatIP(64)
index.add(items)
users = int(pairs[:, 0].max()) + 1
starts = numpy.searchsorted(pairs[:, 0], numpy.arange(users + 1))
vectors = numpy.zeros((users, 64), "f4")
numpy.add.at(vectors, pairs[:, 0], items[pairs[:, 1]])
app = FastAPI()


@app.get("/recommend")
async def recommend(user: str, k: int = 10):
    row = int(user[1:])
    seen = set(pairs[starts[row]:starts[row + 1], 1].tolist())
    scores, rows = index.search(vectors[row:row + 1], k + len(seen))
    kept = [(r, s) for r, s in zip(rows[0].tolist(), scores[0].tolist()) if r >= 0 and r not in seen][:k]
    return {"user": user, "k": k, "items": [{"item": f"i{r}", "score": s} for r, s in kept]}


@app.get("/health/live")
async def live():
    return {"status": "ok"}
