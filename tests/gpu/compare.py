"""compare.py ORIGINAL SLIM, outputs of compute.py: equal digests where the original is deterministic, equal
failures where it fails, any digest where the original itself varies."""

import json
import sys


def read(path):
    with open(path, encoding="utf-8") as lines:
        report, *done = map(json.loads, lines)
    return {**report, "results": {name: pair for line in done for name, pair in line.items()}}


def main(original, slim):
    assert original["location"] != slim["location"], "both runs used the same PyTorch"
    bad = []
    for name in original["work"]:
        if not (name in original["results"] and name in slim["results"]):
            print(f"BAD {name}: no answer, the computation ended before it")
            bad.append(name)
            continue
        (one, two), answers = original["results"][name], slim["results"][name]
        if ": " in one:
            # Addresses and the like may be in the text; the kind of error must agree.
            same = all(": " in a and a.split(":")[0] == one.split(":")[0] for a in answers)
            note = "fails alike: " + one
        elif one != two:
            same = not any(": " in a for a in answers)
            note = "runs; not deterministic in the original"
        else:
            same, note = answers == [one, one], "bit-equal"
        print(f"{'ok ' if same else 'BAD'} {name}: {note if same else f'original {one}, {two}; slim {answers}'}")
        bad += [] if same else [name]
    print(f"{len(original['work']) - len(bad)} of {len(original['work'])} agree, {original['loading']}, "
          f"{original['torch']}, {original['gpu']}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*map(read, sys.argv[1:])))
