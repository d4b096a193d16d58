#!/usr/bin/env python3
"""slim --in-place killed at 500 random moments."""

import harness
import test_in_place


class ManyKills(test_in_place.InPlace):
    kills = 500


del test_in_place.InPlace

if __name__ == "__main__":
    harness.main()
