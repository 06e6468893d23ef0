#!/usr/bin/env python3
"""CPU seconds and memory of llm-bandit and of a script with scikit-learn (`script.py`) for the same job, in turn, as medians.

    python compare.py SUITE [ROUNDS]

SUITE is the folder of a suite with costs and embeddings. Both sides use one thread. `LLM_BANDIT` names the program.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = os.environ.get("LLM_BANDIT", "llm-bandit")
SCRIPT = Path(__file__).resolve().with_name("script.py")
SCENARIO = """description = "The job of the script."
suite = "{suite}"
replicates = 1
[pool]
min-coverage = 0.9
[cost]
model = "mean"
"""
ROUTERS = ["random"] + ['predictor"\nmodel = "' + model for model in ("knn", "linear", "clusters", "kernel", "mlp")]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def run(command):
    """CPU seconds and MiB at the most of a command, and what it printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD)
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))}: {err}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out


def main(suite, rounds=5):
    with tempfile.TemporaryDirectory() as folder:
        scenario, report = Path(folder) / "script.toml", Path(folder) / "report"
        routers = "".join(f'[[router]]\nkind = "{router}"\n' for router in ROUTERS)
        scenario.write_text(SCENARIO.format(suite=Path(suite).resolve()) + routers)
        own, other = [], []
        for _ in range(int(rounds)):
            own.append(run([PROGRAM, "run", scenario, "--out", report, "--threads", "1", "--fresh", "--quiet"]))
            other.append(run([sys.executable, SCRIPT, suite, report, PROGRAM]))
        print(other[-1][2], end="")
        for what, at in (("CPU seconds", 0), ("MiB", 1)):
            ours, theirs = (statistics.median(run[at] for run in runs) for runs in (own, other))
            print(f"{what}: llm-bandit {ours:.1f}, script {theirs:.1f}, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
