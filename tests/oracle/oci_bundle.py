#!/usr/bin/env python3
"""Bundles of `flense run --bundle` against the Open Container Initiative's own runtime-tools.

  oci_bundle.py [--judge PROGRAM] [BUNDLE…]

oci_bundle_judge/ (built here with `go`, unless --judge names it) checks config.json by the rules of the runtime
specification that its schema cannot say: mounts, capabilities, namespaces, devices, hooks. Without BUNDLE: one for
each set of options of tests/security/test_bundle.py, as root, and once more with something broken in it, which the judge
has to see. By hand; exit status 77 without go or its modules.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "security"))

BREAKS = {
    "cwd": lambda config: config["process"].update(cwd="relative"),
    "capabilities": lambda config: config["process"].update(capabilities={"effective": ["CAP_NONSENSE"]}),
    "namespace": lambda config: config["linux"]["namespaces"].append({"type": "user"}),
    "mount": lambda config: config["mounts"].append({"destination": "relative", "type": "tmpfs", "source": "tmpfs"}),
}


def build_judge(work):
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        return None
    source = os.path.join(work, "source")
    shutil.copytree(os.path.join(HERE, "oci_bundle_judge"), source)
    done = subprocess.run([go, "build", "-o", os.path.join(work, "judge"), "."], cwd=source, check=False, stderr=subprocess.PIPE)
    if done.returncode != 0:
        print(done.stderr.decode(), file=sys.stderr)
        return None
    return os.path.join(work, "judge")


def ask(judge, bundle):
    done = subprocess.run([judge, bundle], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0, done.stdout.decode()


def broken(judge, bundle, work):
    """Whether the judge sees each of the breaks in a copy."""
    fine = True
    with open(os.path.join(bundle, "config.json"), encoding="utf-8") as text:
        whole = text.read()
    for name, change in BREAKS.items():
        config = json.loads(whole)
        change(config)
        place = os.path.join(work, "broken")
        os.makedirs(place, exist_ok=True)
        with open(os.path.join(place, "config.json"), "w", encoding="utf-8") as out:
            json.dump(config, out)
        right, _ = ask(judge, place)
        if right:
            print(f"the judge does not see a broken {name}")
            fine = False
    return fine


def own_bundles(judge, work):
    import test_bundle

    class Judged(test_bundle.Bundle):
        def runTest(self):
            for name, (place, _) in test_bundle.write_bundles(self).items():
                right, said = ask(judge, place)
                print(f"{name}: {'fine' if right else said}")
                with self.subTest(bundle=name):
                    self.assertTrue(right, said)
            self.assertTrue(broken(judge, place, work))

    return unittest.TextTestRunner().run(Judged()).wasSuccessful()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge")
    parser.add_argument("bundles", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flense-bundle-") as work:
        judge = arguments.judge or build_judge(work)
        if not judge:
            print("skipped: runtime-tools cannot be built here")
            return 77
        if not arguments.bundles:
            return 0 if own_bundles(judge, work) else 1
        results = [ask(judge, bundle) for bundle in arguments.bundles]
        for bundle, (right, said) in zip(arguments.bundles, results):
            print(f"{bundle}: {'fine' if right else said}")
        return 0 if all(right for right, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
