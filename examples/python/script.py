#!/usr/bin/env python3
"""The script that somebody would write in the place of llm-bandit, with numpy and scikit-learn: five predictors of scores, tuned on
development prompts, the choice by predicted score - w * mean cost at every preference, and the area under the hull.

    python script.py SUITE REPORT

SUITE is the folder of a suite, REPORT that of a run on it, whose test prompts, candidates, and preferences are taken. Prints one line
a predictor: its name, its AIQ (higher is better), and CPU seconds. `compare.py` runs both in turn.
"""

import csv
import gzip
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.neighbors import NearestNeighbors

PENALTIES = np.geomspace(0.01, 640, 13)
NEIGHBOURS = [1, 2, 5, 10, 20, 40, 80, 120, 150, 200, 300, 400]
BANDWIDTHS = [0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3]
CLUSTERS = 64
# The four settings of `mlp`, and about as many epochs.
UNITS, NOISES, EPOCHS = [64, 192], [0.04, 0.08], 20


def rows(folder, name):
    packed = folder / f"{name}.csv.gz"
    file = (
        gzip.open(packed, "rt", newline="", encoding="utf-8")
        if packed.exists()
        else open(folder / f"{name}.csv", newline="", encoding="utf-8")
    )
    with file:
        yield from csv.DictReader(file)


def load(suite, report, program):
    manifest = json.loads((report / "record" / "manifest.json").read_text())
    models = {name: at for at, name in enumerate(manifest["suite"]["models"])}
    text = subprocess.run(
        [program, "decisions", str(report), "--router", "random"], check=True, capture_output=True, text=True
    ).stdout
    lines = text.splitlines()
    preferences = next(line for line in lines if line.startswith("# preferences: ")).split()[2:]
    test = {row["prompt_id"] for row in csv.DictReader(line for line in lines if not line.startswith("#"))}
    prompts = {row["prompt_id"]: at for at, row in enumerate(rows(suite, "prompts"))}
    scores, costs = (np.full((len(prompts), len(models)), np.nan) for _ in range(2))
    for row in rows(suite, "outcomes"):
        if row["model_id"] in models and row["score"] and row["cost_usd"]:
            at = prompts[row["prompt_id"]], models[row["model_id"]]
            scores[at], costs[at] = float(row["score"]), float(row["cost_usd"])
    embeddings = np.load(suite / "embeddings.npy").astype(np.float32)
    whole = ~np.isnan(scores).any(axis=1)
    is_test = np.array([name in test for name in prompts])
    parts = [(embeddings[it], scores[it], costs[it]) for it in (whole & ~is_test, whole & is_test)]
    return *parts, np.array(preferences, dtype=float)


def knn(x, y, new):
    index = NearestNeighbors(n_neighbors=max(NEIGHBOURS) + 1, metric="cosine", algorithm="brute").fit(x)
    near = index.kneighbors(x, return_distance=False)[:, 1:]
    sums = np.cumsum(y[near], axis=1)
    errors = [np.mean((sums[:, k - 1] / k - y) ** 2) for k in NEIGHBOURS]
    k = NEIGHBOURS[int(np.argmin(errors))]
    return y[index.kneighbors(new, n_neighbors=k, return_distance=False)].mean(axis=1)


def linear(x, y, new):
    return RidgeCV(PENALTIES).fit(x, y).predict(new)


def clusters(x, y, new):
    means = KMeans(CLUSTERS, n_init=1, random_state=0).fit(x)

    def features(x):
        soft = np.exp(-means.transform(x) ** 2 / 0.1)
        return np.hstack([soft / soft.sum(axis=1, keepdims=True), x])

    return RidgeCV(PENALTIES).fit(features(x), y).predict(features(new))


def kernel(x, y, new):
    near = x @ x.T
    best = (np.inf, 0)
    for bandwidth in BANDWIDTHS:
        weights = np.exp((near - 1) / bandwidth)
        np.fill_diagonal(weights, 0)
        best = min(best, (np.mean((weights @ y / weights.sum(axis=1, keepdims=True) - y) ** 2), bandwidth))
    weights = np.exp((new @ x.T - 1) / best[1])
    return weights @ y / weights.sum(axis=1, keepdims=True)


def mlp(x, y, new):
    rng = np.random.default_rng(0)
    order, n = rng.permutation(len(x)), len(x) * 4 // 5
    x, y = x[order], y[order]

    def fit(units, noise, x, y, epochs, watched=None):
        network = MLPRegressor(hidden_layer_sizes=units, learning_rate_init=2e-3, batch_size=64, random_state=0)
        losses = []
        for _ in range(epochs):
            network.partial_fit(x + noise * rng.standard_normal(x.shape, dtype=np.float32), y)
            if watched is not None:
                losses.append(np.mean((network.predict(watched[0]) - watched[1]) ** 2))
        return network, losses

    trials = [
        (units, noise, fit((units,), noise, x[:n], y[:n], EPOCHS, (x[n:], y[n:]))[1]) for units in UNITS for noise in NOISES
    ]
    units, noise, losses = min(trials, key=lambda trial: min(trial[2]))
    return fit((units,), noise, x, y, int(np.argmin(losses)) + 1)[0].predict(new)


def aiq(predicted, mean_costs, scores, costs, preferences):
    unit = mean_costs.mean()
    points = []
    for w in preferences:
        chosen = np.argmax(predicted - w * mean_costs / unit, axis=1)
        at = np.arange(len(chosen)), chosen
        points.append((costs[at].mean(), scores[at].mean()))
    low, high = (pick(costs.mean(axis=0)) for pick in (np.min, np.max))
    hull = []
    for cost, score in sorted(points):
        if hull and score <= hull[-1][1]:
            continue
        while len(hull) > 1 and (score - hull[-2][1]) * (hull[-1][0] - hull[-2][0]) >= (hull[-1][1] - hull[-2][1]) * (
            cost - hull[-2][0]
        ):
            hull.pop()
        hull.append((cost, score))
    grid = np.linspace(low, high, 2001)
    xs, ys = zip(*hull)
    return np.interp(grid, xs, ys, left=0).mean()


def main(suite, report, program="llm-bandit"):
    (x, y, dev_costs), (new, scores, costs), preferences = load(Path(suite), Path(report), program)
    seconds = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for predictor in (knn, linear, clusters, kernel, mlp):
        begun = seconds()
        area = aiq(predictor(x, y.astype(np.float32), new), dev_costs.mean(axis=0), scores, costs, preferences)
        print(f"{predictor.__name__},{area:.4f},{seconds() - begun:.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
