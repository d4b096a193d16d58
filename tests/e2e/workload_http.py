"""Runs inside the example's image: starts the service as its CMD does and asks it over HTTP."""

import json
import subprocess
import sys
import time
import urllib.request

URL = "http://127.0.0.1:8000"
server = subprocess.Popen(["uvicorn", "app:app", "--host", "127.0.0.1", "--port", "8000", "--log-level", "warning"],
                          cwd="/app", stdout=sys.stderr)


def ask(path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


try:
    for _ in range(240):
        try:
            health = ask("/health")
            break
        except OSError:
            if server.poll() is not None:
                sys.exit(f"the service ended with status {server.returncode}")
            time.sleep(0.5)
    else:
        sys.exit("the service does not answer")
    print(json.dumps({"health": health, "answers": [ask("/predict", {"seed": s, "batch": 2}) for s in (1, 2, 3)]},
                     sort_keys=True))
finally:
    server.terminate()
    server.wait(timeout=30)
