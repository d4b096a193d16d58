"""An inference service: the model in model.py, the HTTP interface in main.py."""
