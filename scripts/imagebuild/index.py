"""A package index (PEP 503) on the loopback address over folders of wheels.

The Dockerfile then says plain `pip install`, pip's own cache fills as it does with the public
index, and no build step depends on what the public index serves today.
"""

import html
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 18741  # fixed, since pip's cache keys contain it


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def serve(folders, epoch_text):
    """Starts the server on a thread; returns (server, index URL)."""
    wheels = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".whl"):
                wheels.setdefault(normal(name.split("-")[0]), {})[name] = os.path.join(folder, name)

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            return epoch_text

        def do_GET(self):
            parts = self.path.strip("/").split("/")
            if len(parts) == 2 and parts[0] == "simple" and parts[1] in wheels:
                links = "".join(f'<a href="/files/{parts[1]}/{html.escape(n)}">{html.escape(n)}</a>\n'
                                for n in wheels[parts[1]])
                self.reply(200, "text/html", len(links.encode()))
                self.wfile.write(links.encode())
            elif len(parts) == 3 and parts[0] == "files" and parts[2] in wheels.get(parts[1], {}):
                path = wheels[parts[1]][parts[2]]
                self.reply(200, "application/octet-stream", os.path.getsize(path))
                with open(path, "rb") as source:
                    while block := source.read(1 << 20):
                        self.wfile.write(block)
            else:
                self.reply(404, "text/plain", 0)

        def reply(self, status, kind, length):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            if kind == "application/octet-stream":
                self.send_header("Cache-Control", "max-age=365000000, immutable, public")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{PORT}/simple/"
