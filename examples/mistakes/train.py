import argparse
import pathlib

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--out", "--output-dir", dest="out", type=pathlib.Path, required=True)
options = parser.parse_args()
model = torch.nn.Linear(8, 1).cuda()
options.out.mkdir(parents=True, exist_ok=True)
torch.save(model.state_dict(), options.out / "model.pt")
