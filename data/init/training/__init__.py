"""A training job: data in data.py, the loop and its checkpoints in train.py."""
