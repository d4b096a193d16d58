"""Writes the weights that the service loads."""

import sys

import torch

from model import seeded

torch.save(seeded().state_dict(), sys.argv[1])
