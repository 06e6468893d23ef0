#!/usr/bin/env python3
"""Asks a trained router over a pipe which model each prompt goes to: ask_a_router.py ROUTER.safetensors PREFERENCE < prompts.txt"""

import json
import subprocess
import sys


class Router:
    def __init__(self, file, preference, program="llm-bandit"):
        command = [program, "route", "--router", file, "--preference", str(preference)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        """`text` or `embedding`; besides, if you like, `input_tokens`, `preference`, and `models`."""
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


if __name__ == "__main__":
    router = Router(*sys.argv[1:])
    for line in sys.stdin:
        print(router.ask(text=line.strip())["model"])
