"""compare.py ORIGINAL.json SLIM.json: equal digests where the original is deterministic, equal
failures where it fails, any digest where the original itself varies."""

import json
import sys


def read(path):
    with open(path, encoding="utf-8") as report:
        text = report.read()
    if not text.strip():
        sys.exit(f"BAD {path} is empty: the computation ended early")
    return json.loads(text)


def main(original, slim):
    assert original["location"] != slim["location"], "both runs used the same PyTorch"
    bad = []
    for name, (one, two) in original["results"].items():
        answers = slim["results"][name]
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
    print(f"{len(original['results']) - len(bad)} of {len(original['results'])} agree, {original['loading']}, "
          f"{original['torch']}, {original['gpu']}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*map(read, sys.argv[1:])))
