"""Trains a small regression network and keeps a checkpoint, so that a job that was stopped goes on where it was."""

import argparse
import os
import sys

import torch
from safetensors.torch import save_file

from app.data import FEATURES, load


def build():
    return torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
    )


def save_whole(state, path):
    """Under another name first: a job that is killed leaves the old checkpoint or the new one."""
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


def run(arguments):
    """Trains; the mean loss of each epoch that was run."""
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    os.makedirs(arguments.out, exist_ok=True)
    checkpoint = os.path.join(arguments.out, "checkpoint.pt")
    loader = torch.utils.data.DataLoader(
        load(arguments.data, seed=arguments.seed), batch_size=arguments.batch, shuffle=True,
        num_workers=arguments.workers, pin_memory=device.type == "cuda",
    )
    network = build().to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=arguments.rate)
    first = 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"] + 1
    losses = []
    for epoch in range(first, arguments.epochs):
        total = rows = 0
        for x, y in loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            loss = torch.nn.functional.mse_loss(network(x).squeeze(1), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            rows += len(x)
        losses.append(total / rows)
        print(f"epoch {epoch} on {device}: loss {losses[-1]:.4f}")
        save_whole({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, checkpoint)
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, os.path.join(arguments.out, "model.safetensors"))
    return losses


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="/data", help="folder of .npz shards, read only")
    parser.add_argument("--out", default="/outputs", help="folder of the checkpoint and the model")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


if __name__ == "__main__":
    run(parse(sys.argv[1:]))
