"""RouteLLM's matrix-factorisation router (arXiv 2406.18665), as its authors trained it, for `kind = "command"`.

pip install routellm; the router asks OpenAI for embeddings (OPENAI_API_KEY). In a scenario:
command = ["python3", "examples/routers/routellm_mf.py", "STRONG", "WEAK"]   # ids of the two candidates
at-once = true                                                             # one embedding a prompt
"""
import json, sys
from importlib.metadata import version

from routellm.routers.routers import MatrixFactorizationRouter

strong, weak = sys.argv[1:3]
greeting = json.loads(sys.stdin.readline())
if unknown := {strong, weak} ^ set(greeting["models"]):
    sys.exit(f"this router chooses between {strong} and {weak}, not among {greeting['models']}: see {unknown}")
checkpoint = sys.argv[3] if len(sys.argv) > 3 else "routellm/mf_gpt4_augmented"
router = MatrixFactorizationRouter(checkpoint)
print(json.dumps({"version": f"routellm {version('routellm')}, {checkpoint}"}), flush=True)
for line in sys.stdin:
    if line.strip():
        # The win rate P as scores P and 1 - P: w asks for P >= (1 + w * (cost of strong - cost of weak)) / 2.
        request = json.loads(line)
        rate = float(router.calculate_strong_win_rate(request["prompt"]))
        print(json.dumps({"id": request["id"], "scores": {strong: rate, weak: 1 - rate}}), flush=True)
