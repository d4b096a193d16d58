import argparse

import uvicorn
from fastapi import FastAPI

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--checkpoint-dir", required=True)
options = parser.parse_args()
app = FastAPI()


@app.get("/health")
def health():
    return {"data": options.data, "checkpoints": options.checkpoint_dir}


uvicorn.run(app, host="0.0.0.0", port=8000)
