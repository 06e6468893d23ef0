#!/usr/bin/env python3
"""Makes suites of the public results that the recorded suites here were made of.

    python datasets/from_public.py mmlu-pro MMLU-Pro  DIR/mmlu_pro_cot
    python datasets/from_public.py routellm RouteLLM  DIR/routellm_pair

The second argument is a clone, with its history, of
    https://github.com/TIGER-AI-Lab/MMLU-Pro  (Apache-2.0), commit f418b116db00b065c2aea046518d8fcf74d39872, or
    https://github.com/lm-sys/RouteLLM        (Apache-2.0), commit 0b64fdafe049e596a3f5657c219329f24af24198.

Tokens are counted by cl100k_base (`pip install tiktoken`): of question and options, without the examples before them, and of
the recorded answer. Prices are those of the suites in this folder. Nothing is downloaded here.
"""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import tiktoken

HERE = Path(__file__).resolve().parent
COUNT = tiktoken.get_encoding("cl100k_base")
MMLU_PRO = "f418b116db00b065c2aea046518d8fcf74d39872"
ROUTELLM = "0b64fdafe049e596a3f5657c219329f24af24198"
# Where a record keeps its answer.
ANSWER = ("model_outputs", "generated_text", "response")
# Models whose results lie in the history only, a file a subject: commit, folder, and how a file's name ends.
IN_HISTORY = {
    "gpt-4o-2024-05-13": ("eeeb46c", "eval_results/gpt4o/", "_result.json"),
    "deepseek-v2-chat": ("eeeb46c", "eval_results/deepseek/", "_result.json"),
    "Meta-Llama-3-8B-Instruct": ("a05450e", "results/Meta-Llama-3-8B-Instruct/CoT/all/", ".json"),
}


def tokens(text):
    return len(COUNT.encode(text, disallowed_special=()))


def git(clone, *arguments):
    return subprocess.run(["git", "-C", clone, *arguments], check=True, capture_output=True).stdout


def files(clone, commit, folder, ending):
    names = git(clone, "ls-tree", "--name-only", "-z", commit, folder).decode().split("\0")
    return sorted(name for name in names if name.endswith(ending))


def write(folder, info, prompts, models, outcomes):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in info.items()]
    (folder / "suite.toml").write_text("".join(lines), encoding="utf-8")
    heads = {
        "prompts.csv": ["prompt_id", "benchmark", "task", "prompt"],
        "outcomes.csv": ["prompt_id", "model_id", "score", "input_tokens", "output_tokens"],
    }
    for name, rows in (("prompts.csv", prompts), ("outcomes.csv", outcomes)):
        with open(folder / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([heads[name], *rows])
    (folder / "models.csv").write_bytes((HERE / models / "models.csv").read_bytes())
    print(f"{folder}: {len(prompts)} prompts, {len(outcomes)} outcomes")


def mmlu_pro_records(clone, model):
    if model in IN_HISTORY:
        for name in files(clone, *IN_HISTORY[model]):
            yield from json.loads(git(clone, "show", f"{IN_HISTORY[model][0]}:{name}"))
        return
    packed = git(clone, "show", f"{MMLU_PRO}:eval_results/model_outputs_{model}_5shots.zip")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in archive.namelist():
            if name.endswith(".json") and not name.startswith("__MACOSX"):
                # One file holds counts by subject among the records.
                yield from (it for it in json.loads(archive.read(name)) if isinstance(it, dict))


def mmlu_pro(clone, out):
    with open(HERE / "mmlu-pro-part" / "models.csv", encoding="utf-8") as file:
        models = [row["model_id"] for row in csv.DictReader(file)]
    prompts, outcomes, n_tokens = {}, [], {}
    for model in models:
        seen = set()
        for record in mmlu_pro_records(clone, model):
            name = f"mmlupro-{record['question_id']}"
            if name in seen:
                continue
            seen.add(name)
            if name not in prompts:
                options = [f"{chr(65 + at)}. {option}" for at, option in enumerate(record["options"])]
                text = "\n".join([record["question"].strip(), *options])
                prompts[name] = (name, "mmlu_pro", record["category"], text)
                n_tokens[name] = tokens(text)
            answer = next((record[key] for key in ANSWER if record.get(key)), "")
            # No letter found in an answer is a wrong answer; the benchmark's own script draws a letter there.
            score = int(record["pred"] == record["answer"])
            outcomes.append((name, model, score, n_tokens[name], tokens(answer)))
    info = {
        "name": "MMLU-Pro, chain of thought",
        "description": "Recorded answers of 32 models to MMLU-Pro with five examples and chain of thought. Costs are tokens, "
        "counted by cl100k_base without the five examples, times list prices of 2024; answers were cut at 256 or 2,048 tokens.",
        "licence": "Apache-2.0",
        "source": f"https://github.com/TIGER-AI-Lab/MMLU-Pro, commit {MMLU_PRO[:7]} and earlier ones",
        "primary-metric": "exact match",
    }
    write(out, info, list(prompts.values()), "mmlu-pro-part", outcomes)


def rows(clone, name):
    text = git(clone, "show", f"{ROUTELLM}:routellm/evals/{name}").decode()
    return csv.DictReader(io.StringIO(text, newline=""))


def routellm(clone, out):
    models = ["gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"]
    prompts, outcomes = [], []
    for at, row in enumerate(rows(clone, "gsm8k/gsm8k_responses.csv")):
        name, n_tokens = f"gsm8k-{at}", tokens(row["prompt"])
        prompts.append((name, "gsm8k", "", row["prompt"]))
        for model in models:
            outcomes.append((name, model, int(row[model] == "True"), n_tokens, tokens(row[model + "_response"])))
    lines = lambda name: map(json.loads, git(clone, "show", f"{ROUTELLM}:routellm/evals/mt_bench/{name}").splitlines())
    turns = {(it["question_id"], it["model"], it["turn"]): it for it in lines("judgements.jsonl")}
    for question in lines("question.jsonl"):
        number, name = question["question_id"], f"mtbench-{question['question_id']}"
        prompts.append((name, "mt-bench", question["category"], "\n\n[turn 2] ".join(question["turns"])))
        for model in models:
            scores = [turns[number, model, turn]["score"] for turn in (1, 2)]
            # The judge of the second turn is shown the whole conversation; the second call pays for the first as input.
            shown = turns[number, model, 2]["user_prompt"]
            said = re.findall(r"### Assistant A:\n(.*?)\n\n(?=### User:|<\|The End of)", shown, re.DOTALL)
            said = [tokens(answer) for answer in said[-2:]]
            asked = [tokens(turn) for turn in question["turns"]]
            outcomes.append((name, model, sum(scores) / 20, 2 * asked[0] + said[0] + asked[1], sum(said)))
    for path in files(clone, ROUTELLM, "routellm/evals/mmlu/responses/", ".csv"):
        task = Path(path).stem.removeprefix("mmlu_")
        for at, row in enumerate(rows(clone, path.removeprefix("routellm/evals/"))):
            name = f"mmlu-{task}-{at}"
            prompts.append((name, "mmlu", task, row["prompt"]))
            outcomes.extend((name, model, int(row[model] == "True"), tokens(row["prompt"]), 1) for model in models)
    info = {
        "name": "RouteLLM's evaluations",
        "description": "Recorded answers of GPT-4 and Mixtral 8x7B to MMLU, GSM8K, and MT-Bench (judged by GPT-4). Costs are "
        "tokens, counted by cl100k_base, times list prices of 2024.",
        "licence": "Apache-2.0",
        "source": f"https://github.com/lm-sys/RouteLLM, commit {ROUTELLM[:7]}",
        "primary-metric": "correct, or the judge's mean of two turns / 10",
    }
    write(out, info, prompts, "routellm-part", outcomes)


if __name__ == "__main__":
    makers = {"mmlu-pro": mmlu_pro, "routellm": routellm}
    if len(sys.argv) != 4 or sys.argv[1] not in makers:
        sys.exit(__doc__)
    makers[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
