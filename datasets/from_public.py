#!/usr/bin/env python3
"""Makes suites of the public results that the recorded suites here were made of.

    python datasets/from_public.py mmlu-pro   MMLU-Pro                         DIR/mmlu_pro_cot
    python datasets/from_public.py routellm   RouteLLM                         DIR/routellm_pair
    python datasets/from_public.py openllm-v2 CARROT MMLU-Pro BIG-Bench-Hard   DIR/openllm_v2

Between the name and the suite's folder stand clones, with their history, of
    https://github.com/TIGER-AI-Lab/MMLU-Pro            (Apache-2.0), commit f418b116db00b065c2aea046518d8fcf74d39872,
    https://github.com/lm-sys/RouteLLM                  (Apache-2.0), commit 0b64fdafe049e596a3f5657c219329f24af24198,
    https://github.com/somerstep/CARROT                 (none stated), commit 2d47d1fd4e7870d095fcd3b4f8aa87185b5d8e3d,
    https://github.com/suzgunmirac/BIG-Bench-Hard       (MIT), commit 9ee07bd481feebf959a6b59d61ea57bdcf30964d.

Tokens are counted by cl100k_base (`pip install tiktoken`): of question and options, without the examples before them, and of
the recorded answer. Prices are those of the suites in this folder, and for `openllm-v2`, which needs numpy, the flat ones of
CARROT. Nothing is downloaded here.
"""

import ast
import csv
import io
import json
import pickle
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
CARROT = "2d47d1fd4e7870d095fcd3b4f8aa87185b5d8e3d"
BIG_BENCH_HARD = "9ee07bd481feebf959a6b59d61ea57bdcf30964d"
# The Open LLM Leaderboard evaluated a model on so many processors, each of which took every n-th prompt and wrote its answers
# behind those of the one before. Found by the only order that correlates with independent answers to MMLU-Pro (0.14 to 0.58;
# all others 0.00 to 0.03); those of SOLAR, which has no MMLU-Pro, by its other tasks.
PROCESSORS = {
    "Nous-Hermes-2-Mixtral-8x7B-DPO": 4,
    "Yi-34B-Chat": 1,
    "QwQ-32B-Preview": 4,
    "Qwen2-72B-Instruct": 1,
    "Qwen2.5-7B-Instruct": 8,
    "Qwen2.5-72B-Instruct": 2,
    "WizardLM-2-8x22B": 1,
    "deepseek-llm-67b-chat": 1,
    "gemma-2-27b-it": 8,
    "gemma-2-9b-it": 8,
    "gemma-2b-it": 8,
    "Llama-2-13b-chat-hf": 8,
    "Meta-Llama-3.1-70B-Instruct": 4,
    "Mistral-7B-Instruct-v0.1": 8,
    "Mistral-7B-Instruct-v0.2": 8,
    "Mistral-7B-Instruct-v0.3": 8,
    "Mixtral-8x7B-Instruct-v0.1": 4,
    "Llama-3.1-Nemotron-70B-Instruct-HF": 2,
    "SOLAR-10.7B-Instruct-v1.0": 8,
}
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


def models_of(suite):
    return (HERE / suite / "models.csv").read_bytes()


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
    (folder / "models.csv").write_bytes(models)
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


def mmlu_pro_text(record):
    options = [f"{chr(65 + at)}. {option}" for at, option in enumerate(record["options"])]
    return "\n".join([record["question"].strip(), *options])


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
                text = mmlu_pro_text(record)
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
    write(out, info, list(prompts.values()), models_of("mmlu-pro-part"), outcomes)


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
    write(out, info, prompts, models_of("routellm-part"), outcomes)


def openllm_v2(carrot, mmlu_pro_clone, big_bench_hard, out):
    """MMLU-Pro and BIG-Bench Hard alone: of the leaderboard's other tasks no texts are public."""
    questions = {it["question_id"]: it for it in mmlu_pro_records(mmlu_pro_clone, "Meta-Llama-3_1-70B-Instruct")}
    # In the order of the test set: by the number of the question.
    parts = {
        "leaderboard_mmlu_pro": [
            (f"mmlupro-{number}", "mmlu_pro", questions[number]["category"], mmlu_pro_text(questions[number]))
            for number in sorted(questions)
        ]
    }
    name = "data/open-llm-lb-v2/new_leaderboard_raw_20241205.pickle"
    answers = pickle.loads(git(carrot, "show", f"{CARROT}:{name}"))
    for part in next(iter(answers.values())):
        if part.startswith("leaderboard_bbh_"):
            task = part.removeprefix("leaderboard_bbh_")
            examples = json.loads(git(big_bench_hard, "show", f"{BIG_BENCH_HARD}:bbh/{task}.json"))["examples"]
            parts[part] = [(f"bbh-{task}-{at}", "bbh", task, it["input"]) for at, it in enumerate(examples)]
    constants = git(carrot, "show", f"{CARROT}:carrot/constants.py").decode()
    prices = ast.literal_eval(re.search(r"^OPEN_COSTS = (\{.*?\})", constants, re.MULTILINE | re.DOTALL)[1])
    models, outcomes = [["model_id", "family", "price_in_usd_per_1m", "price_out_usd_per_1m"]], []
    n_tokens = {name: tokens(text) for prompts in parts.values() for name, _, _, text in prompts}
    for family, price in prices.items():
        model = family.split("/")[1]
        # Of one model there are no answers.
        if model not in PROCESSORS:
            continue
        models.append([model, family, price, price])
        of_model = answers[f"open-llm-leaderboard/{family.replace('/', '__')}-details"]
        for part, prompts in parts.items():
            scores = of_model[part]["correctness"]
            if scores is None:
                continue
            n = PROCESSORS[model]
            order = [at for first in range(n) for at in range(first, len(prompts), n)]
            assert len(scores) == len(prompts), (model, part)
            for score, at in zip(scores, order):
                outcomes.append((prompts[at][0], model, int(score), n_tokens[prompts[at][0]], 1))
    text = io.StringIO(newline="")
    csv.writer(text).writerows(models)
    info = {
        "name": "Open LLM Leaderboard 2, MMLU-Pro and BIG-Bench Hard",
        "description": "Recorded answers of 19 open models by log-likelihood, in the order of the prompts, which the source "
        "mixes up. Costs are tokens of the question, counted by cl100k_base, and one token of answer, times flat prices.",
        "source": f"https://github.com/somerstep/CARROT, commit {CARROT[:7]}",
        "primary-metric": "correct",
    }
    write(out, info, [row for prompts in parts.values() for row in prompts], text.getvalue().encode(), outcomes)


if __name__ == "__main__":
    makers = {"mmlu-pro": (mmlu_pro, 1), "routellm": (routellm, 1), "openllm-v2": (openllm_v2, 3)}
    maker, n_clones = makers.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if maker is None or len(sys.argv) != n_clones + 3:
        sys.exit(__doc__)
    maker(*sys.argv[2:-1], Path(sys.argv[-1]))
