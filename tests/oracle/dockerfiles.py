#!/usr/bin/env python3
"""Parser agreement: Dockerfiles from the grammar (dockerfile_grammar.py), judged by BuildKit and by
flense; and their instructions' lines by npm's dockerfile-ast.

  dockerfiles.py --dump build/…/dockerfile_dump [--count N] [--seed N]
                 [--buildkit JUDGE] [--dockerd] [--ast NODE_MODULES] [--write FILE]

--buildkit takes the program that buildkit_judge/ builds to (go build): today's BuildKit without a
daemon. --dockerd starts the dockerd on PATH, whose BuildKit may be older: it gets only what that
one knows. --write records a selection with its verdicts for src/lint/dockerfile/buildkit_test.cpp.
Exit status: 0 both agree on every file, 1 they do not."""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import dockerfile_grammar

HERE = pathlib.Path(__file__).resolve().parent


def asked(program, texts):
    done = subprocess.run([program], input=json.dumps(texts), stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def shown(text):
    return json.dumps(text)[:400]


def compare(name, texts, accepted, reasons, read):
    """Prints where flense and the judge differ; the number of such files."""
    differ = 0
    for text, yes, why, flense in zip(texts, accepted, reasons, read):
        if yes == (not flense["problems"]):
            continue
        differ += 1
        said = "; ".join(problem["message"] for problem in flense["problems"]) or "nothing"
        print(f"{name} {'accepts' if yes else 'refuses'}: {shown(text)}\n  {name}: {why}\n  flense: {said}")
    refused = len(texts) - sum(accepted)
    print(f"{name}: {len(texts)} files, {sum(accepted)} accepted, {refused} refused; flense differs on {differ}")
    return differ


def lines_of(flense):
    return [(i["keyword"], i["span"][0], i["span"][2]) for i in flense["instructions"]]


def compare_lines(name, texts, other, read):
    """`other`: for each text a list of (keyword, first line, last line), or None."""
    differ, files = 0, 0
    for text, lines, flense in zip(texts, other, read):
        if lines is None:
            continue
        files += 1
        if lines != lines_of(flense):
            differ += 1
            print(f"{name} lines of {shown(text)}\n  {name}: {lines}\n  flense: {lines_of(flense)}")
    print(f"{name}: lines of the instructions of {files} files; flense differs on {differ}")
    return differ


def reachable(text, flense):
    """With a stage that needs all others: BuildKit looks only at stages that it needs."""
    stages = sum(i["keyword"] == "FROM" for i in flense["instructions"])
    if stages < 2 or flense["problems"] or text.rstrip("\r\n \t").endswith(("\\", "`")):
        return text
    return text + "\n\nFROM scratch\n" + "".join(f"COPY --from={i} / /\n" for i in range(stages))


def judge_dockerd(texts):
    """(accepted, reasons): a build that ends before its first step was refused."""
    sys.path.insert(0, str(HERE.parent / "e2e"))
    import engines
    accepted, reasons = [], []
    scratch = tempfile.mkdtemp(prefix="flense-dockerfiles-", dir="/tmp")
    try:
        docker = None
        for text in texts:
            docker = docker or started(engines, scratch)
            done = subprocess.run([*docker.base, "build", "--progress=plain", "-"], input=text.encode(), check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "DOCKER_BUILDKIT": "1"})
            said = done.stdout.decode(errors="replace")
            last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
            # A file with ARG alone ends the daemon of Docker 20.10: a refusal of its kind.
            crashed = docker.process.poll() is not None or "unexpected EOF" in last
            accepted.append(not crashed and (done.returncode == 0 or not was_refused(last)))
            reasons.append("the daemon crashed" if crashed else last[:300])
            if crashed:
                docker = stopped(docker, scratch)
        if docker is not None:
            stopped(docker, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return accepted, reasons


def started(engines, scratch):
    docker = engines.Dockerd(os.path.join(scratch, "d"))
    if docker.why is not None:
        raise SystemExit(f"dockerd does not start here: {docker.why}")
    empty = os.path.join(scratch, "empty.tar")
    subprocess.run(["tar", "-cf", empty, "-T", "/dev/null"], check=True)
    for base in dockerfile_grammar.BASES:
        if base != "scratch":
            subprocess.run([*docker.base, "import", empty, base], check=True, stdout=subprocess.DEVNULL)
    return docker


def stopped(docker, scratch):
    docker.stop()
    subprocess.run(["umount", os.path.join(scratch, "d/data")], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(os.path.join(scratch, "d"), ignore_errors=True)


def was_refused(reason):
    """By the front end, and not because a registry could not be asked."""
    registry = ("failed to do request", "failed to authorize", "pull access denied", "dial tcp", "not found: not found")
    return "failed to create LLB definition" in reason and not any(words in reason for words in registry)


def judge_ast(modules, texts):
    script = """
const {DockerfileParser} = require(process.argv[1] + '/dockerfile-ast');
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => DockerfileParser.parse(text).getInstructions().map(i => {
  const range = i.getRange();
  return [i.getKeyword(), range.start.line + 1, range.end.line + 1];
}))));
"""
    done = subprocess.run(["node", "-e", script, os.path.abspath(modules)], input=json.dumps(texts), check=True,
                          stdout=subprocess.PIPE, text=True)
    return [[tuple(line) for line in lines] for lines in json.loads(done.stdout)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", required=True)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--buildkit")
    parser.add_argument("--dockerd", action="store_true")
    parser.add_argument("--ast")
    parser.add_argument("--write")
    arguments = parser.parse_args()
    differ = 0
    if arguments.buildkit:
        texts = dockerfile_grammar.dockerfiles(arguments.count, True, arguments.seed)
        read = asked(arguments.dump, texts)
        judged = asked(arguments.buildkit, texts)
        print(collections.Counter(verdict["phase"] for verdict in judged))
        accepted = [verdict["phase"] == "ok" for verdict in judged]
        differ += compare("buildkit", texts, accepted, [v.get("error", "") for v in judged], read)
        lines = [[(i["keyword"].upper(), i["start"], i["end"]) for i in verdict["instructions"]]
                 if verdict["phase"] == "ok" else None for verdict in judged]
        differ += compare_lines("buildkit", texts, lines, read)
        if arguments.write:
            record(arguments.write, "buildkit", texts, accepted)
        if arguments.ast:
            ast = [lines if verdict["phase"] == "ok" else None
                   for lines, verdict in zip(judge_ast(arguments.ast, texts), judged)]
            compare_lines("dockerfile-ast", texts, ast, read)
    if arguments.dockerd:
        texts = dockerfile_grammar.dockerfiles(arguments.count, False, arguments.seed)
        read = asked(arguments.dump, texts)
        accepted, reasons = judge_dockerd([reachable(text, flense) for text, flense in zip(texts, read)])
        differ += compare("dockerd", texts, accepted, reasons, read)
        if arguments.write:
            record(arguments.write, "dockerd", texts, accepted)
    return 1 if differ else 0


def record(path, judge, texts, accepted):
    """Adds cases for src/lint/dockerfile/buildkit_test.cpp, one a line: judge, verdict, the text as JSON. Short ones: a reader
    has to see what they are about."""
    short = [(text, yes) for text, yes in zip(texts, accepted) if len(text) < 600]
    step = max(1, len(short) // 70)
    with open(path, "a") as out:
        for text, yes in short[::step]:
            out.write(f"{judge} {'accepted' if yes else 'refused'} {json.dumps(text, ensure_ascii=True)}\n")


if __name__ == "__main__":
    sys.exit(main())
