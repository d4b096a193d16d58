"""compare.py ORIGINAL SLIM, files of compute.py or folders of those of operators.py: equal digests where the
original is deterministic, equal failures where it fails, any digest where the original itself varies. What neither
reached in its time is counted and no fault."""

import collections
import json
import os
import sys

# More lines than these are not read by anybody: then only what differs is printed.
SHOWN = 100


def read(path):
    """The reports of a run: a file holds one process's."""
    names = [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
    out = []
    for name in names:
        with open(name, encoding="utf-8") as lines:
            report, *done = map(json.loads, lines)
        # What stopped at its time limit ends with an empty line; what ended before it did not do its work.
        out.append({**report, "results": {key: pair for line in done for key, pair in line.items()},
                    "timed": bool(done) and not done[-1]})
    return out


def judge(pair, answers):
    """Whether they agree, and how."""
    one, two = pair
    if ": " in one:
        # Addresses and the like may be in the text; the kind of error must agree.
        return all(": " in a and a.split(":")[0] == one.split(":")[0] for a in answers), "fails alike", one
    if one != two:
        return not any(": " in a for a in answers), "runs; not deterministic in the original", ""
    return answers == [one, one], "bit-equal", ""


def main(original, slim):
    kinds, bad, unreached = collections.Counter(), [], 0
    whole = sum(len(report["work"]) for report in original)
    assert len(original) == len(slim), "another number of processes"
    for before, after in zip(original, slim):
        assert before["location"] != after["location"], "both runs used the same PyTorch"
        for name in before["work"]:
            pair, answers = before["results"].get(name), after["results"].get(name)
            if (pair is None and before["timed"]) or (answers is None and after["timed"]):
                unreached += 1
                continue
            if pair is None or answers is None:
                print(f"BAD {name}: no answer, the computation ended before it")
                bad.append(name)
                continue
            same, how, detail = judge(pair, answers)
            kinds[how] += same
            bad += [] if same else [name]
            if not same:
                print(f"BAD {name}: original {pair}; slim {answers}")
            elif whole <= SHOWN:
                print(f"ok  {name}: {how}{': ' + detail if detail else ''}")
    first = original[0]
    print(f"{kinds.total()} of {whole - unreached} agree ({', '.join(f'{n} {how}' for how, n in kinds.items() if n)}), "
          + (f"{unreached} not reached, " if unreached else "") + f"{first['loading']}, {first['torch']}, {first['gpu']}")
    return 1 if bad or not kinds.total() else 0


if __name__ == "__main__":
    sys.exit(main(*map(read, sys.argv[1:])))
