import json, sys

json.loads(sys.stdin.readline())  # the greeting: candidates, preferences, and where the training data are, if asked for
print(json.dumps({"version": "ten lines, 1"}), flush=True)
for line in sys.stdin:
    if line.strip():  # an empty line ends a batch
        request = json.loads(line)
        wants_cheap = request["preference"] > 0.5 or len(request["prompt"]) < 200
        model = request["models"][-1 if wants_cheap else 0]
        print(json.dumps({"id": request["id"], "model": model}), flush=True)
