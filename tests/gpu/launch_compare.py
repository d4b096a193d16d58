"""Pairs of one run on bare metal and one in a container, in turns that alternate, and for each kind of
work the mean ratio with its lower 95 % bound (Student's t over the pairs).

    launch_compare.py RUNS DATA INTERPRETER ROOT CONTAINER-COMMAND...

Exit status 1 where a bound is below 0.98."""

import json
import os
import statistics
import subprocess
import sys

LEAST = 0.98
# 97.5 % quantiles of Student's t by degrees of freedom.
QUANTILES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 14: 2.145,
             19: 2.093, 29: 2.045}
WORK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch_work.py")


def quantile(degrees):
    return QUANTILES[max(known for known in QUANTILES if known <= degrees)]


def write_data(folder):
    os.makedirs(folder)
    for number in range(64):
        with open(os.path.join(folder, f"{number:03}.bin"), "wb") as out:
            out.write(os.urandom(4 << 20))


def measure(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()[-1])


def main():
    runs, (data, interpreter, root), container = int(sys.argv[1]), sys.argv[2:5], sys.argv[5:]
    if runs < 2:
        raise SystemExit("at least 2 pairs")
    write_data(data)
    sides = {
        "bare": [interpreter, WORK, data],
        "container": [*container, root, interpreter, WORK, "/mnt"],
    }
    seen = {side: [] for side in sides}
    for turn in range(runs):
        for side in list(sides) if turn % 2 == 0 else reversed(sides):
            seen[side].append(measure(sides[side]))
    bad = False
    for kind in seen["bare"][0]:
        ratios = [inside[kind] / outside[kind] for inside, outside in zip(seen["container"], seen["bare"])]
        mean = statistics.mean(ratios)
        bound = mean - quantile(runs - 1) * statistics.stdev(ratios) / runs**0.5
        bad |= bound < LEAST
        print(f"{kind:15} {mean:.3f} of bare metal, lower bound {bound:.3f}{'  TOO LOW' if bound < LEAST else ''}; "
              f"bare {statistics.median(outside[kind] for outside in seen['bare']):.4g} a second")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
