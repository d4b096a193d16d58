"""Registries for tests: a way to a real one that counts, breaks and kills, and images put into its store."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import threading
import time

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


class Way(http.server.ThreadingHTTPServer):
    """A port of this machine that hands HTTP on to `address`. `fault(method, path)`, asked for each request, may return
    "late", "half", "digest" (another body than was asked for), "hole" (never), a status, or (status, headers, body). With `login` ("name:password")
    it wants tokens, which it gives for that login. `seen` are the requests, `most` so many were under way at a time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, fault=None, login=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.fault, self.login = address, fault, login
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.seen, self.most, self.under_way = [], 0, 0
        self.lock, self.over = threading.Lock(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # who was killed has hung up


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def send_error(self, *_):
        """Who begins with TLS is told that this is HTTP."""
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        self.close_connection = True

    def handle_one_request(self):
        # A request is under way from its first byte to the last of the answer.
        self.counted = False
        try:
            super().handle_one_request()
        finally:
            if self.counted:
                with self.server.lock:
                    self.server.under_way -= 1

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def admitted(self):
        """What a registry with tokens does; True where the request goes on."""
        way = self.server
        if self.path.startswith("/token"):
            wanted = "Basic " + base64.b64encode(way.login.encode()).decode()
            if self.headers["Authorization"] != wanted:
                self.answer(401, b"{}")
            else:
                self.answer(200, json.dumps({"token": "t" + hashlib.sha256(self.path.encode()).hexdigest()}).encode())
            return False
        if (self.headers["Authorization"] or "").startswith("Bearer t"):
            return True
        self.answer(401, b"{}", [("WWW-Authenticate", f'Bearer realm="http://{way.address}/token",service="way, \\"x\\""')])
        return False

    def hand_on(self):
        way = self.server
        with way.lock:
            way.under_way += 1
            self.counted = True
            way.most = max(way.most, way.under_way)
            way.seen.append((self.command, self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) if "chunked" not in \
            (self.headers["Transfer-Encoding"] or "") else b"".join(self.chunks())
        if way.login and not self.admitted():
            return
        fault = way.fault(self.command, self.path) if way.fault else None
        if fault == "hole":
            way.over.wait(120)
            self.close_connection = True
            return
        if fault == "late":
            time.sleep(0.3)
        if isinstance(fault, int):
            codes = {401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS"}
            self.answer(fault, json.dumps({"errors": [{"code": codes.get(fault, "UNKNOWN"), "message": "x"}]}).encode())
            return
        if isinstance(fault, tuple):
            status, headers, content = fault
            self.answer(status, content, headers)
            return
        there = http.client.HTTPConnection(way.target, timeout=60)
        there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        own = {"transfer-encoding", "content-length", "connection", *(["authorization"] if way.login else [])}
        for name, value in self.headers.items():  # a name may stand several times
            if name.lower() not in own:
                there.putheader(name, value)
        there.putheader("Content-Length", str(len(body)))
        there.endheaders(body)
        reply = there.getresponse()
        content = reply.read()
        headers = [(name, value) for name, value in reply.getheaders()
                   if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server")]
        there.close()
        if fault == "digest":
            content = content.replace(b"sha256:", b"sha256:", 1)[:-1] + b" "
        if fault == "half" and self.command != "HEAD":
            self.send_response(reply.status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) + 1))
            self.end_headers()
            self.wfile.write(content[:len(content) // 2])
            self.close_connection = True
            return
        if self.command == "HEAD" and reply.getheader("Content-Length"):
            self.send_response(reply.status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", reply.getheader("Content-Length"))
            self.end_headers()
            return
        self.answer(reply.status, content, headers)

    def chunks(self):
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = hand_on


class Store:
    """The files of a docker-registry, which are written past it: thousands of images at once."""

    def __init__(self, root):
        self.root = os.path.join(root, "data/docker/registry/v2")

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(text)

    def put(self, repository, tag, document):
        """A manifest or an index under that tag; None: under its digest alone. Returns its digest."""
        text = json.dumps(document).encode()
        digest = hashlib.sha256(text).hexdigest()
        place = f"repositories/{repository}/_manifests"
        self.write(f"blobs/sha256/{digest[:2]}/{digest}/data", text)
        self.write(f"{place}/revisions/sha256/{digest}/link", f"sha256:{digest}".encode())
        if tag:
            self.tag(repository, tag, "sha256:" + digest)
        return "sha256:" + digest

    def tag(self, repository, tag, digest):
        place = f"repositories/{repository}/_manifests/tags/{tag}"
        self.write(f"{place}/current/link", digest.encode())
        self.write(f"{place}/index/sha256/{digest.removeprefix('sha256:')}/link", digest.encode())


def get(address, path, method="GET"):
    """(status, headers, body) of a registry."""
    there = http.client.HTTPConnection(address, timeout=60)
    there.request(method, "/v2/" + path, headers={"Accept": f"{INDEX}, {MANIFEST}, {DOCKER}"})
    reply = there.getresponse()
    body = reply.read()
    there.close()
    return reply.status, reply.headers, body


def missing_from(address, repository, reference):
    """What of the image or index under a reference cannot be fetched: nothing of a whole one. None: there is no such tag.
    docker-registry writes its files in place, so that who reads while somebody pushes the same once more may see none:
    what is missing is looked for again."""
    found = missing_now(address, repository, reference)
    if found != []:
        time.sleep(0.3)
        found = missing_now(address, repository, reference)
    return found


def missing_now(address, repository, reference):
    status, _, text = get(address, f"{repository}/manifests/{reference}")
    if status == 404:
        return None
    if status != 200:
        return [reference]
    document, found = json.loads(text), []
    for entry in document.get("manifests", []):
        found += missing_now(address, repository, entry["digest"]) or [] \
            if get(address, f"{repository}/manifests/{entry['digest']}", "HEAD")[0] == 200 else [entry["digest"]]
    for one in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]:
        if get(address, f"{repository}/blobs/{one['digest']}", "HEAD")[0] != 200:
            found.append(one["digest"])
    return found
