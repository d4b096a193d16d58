"""compare.py ORIGINAL.json SLIM.json: equal digests where the original is deterministic, equal
failures where it fails, any digest where the original itself varies."""

import json
import sys

with open(sys.argv[1]) as first, open(sys.argv[2]) as second:
    original, slim = json.load(first), json.load(second)
assert original["location"] != slim["location"], "both runs used the same PyTorch"
bad = 0
for name, (one, two) in original["results"].items():
    answers = slim["results"][name]
    failed = ": " in one
    if failed:
        # Addresses and the like may be in the text; the kind of error must agree.
        same = all(": " in a and a.split(":")[0] == one.split(":")[0] for a in answers)
        note = "fails alike: " + one
    elif one != two:
        same = not any(": " in a for a in answers)
        note = "runs; not deterministic in the original"
    else:
        same, note = answers == [one, one], "bit-equal"
    print(f"{'ok ' if same else 'BAD'} {name}: {note if same else f'original {one}, slim {answers}'}")
    bad += not same
print(f"{len(original['results']) - bad} of {len(original['results'])} agree")
sys.exit(1 if bad else 0)
