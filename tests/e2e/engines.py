"""Real engines on private paths, each stopped by its own process id."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time


class Podman:
    """podman with storage of its own below `root`; `driver` is its storage driver."""

    def __init__(self, root, driver):
        # podman refuses long names here.
        run = tempfile.mkdtemp(prefix="flense-podman-", dir="/tmp")
        atexit.register(shutil.rmtree, run, ignore_errors=True)
        self.base = ["podman", "--root", root, "--runroot", run, "--storage-driver", driver,
                     "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
        self.env = None
        # crun refuses hosts with hybrid cgroups; runc, which comes with dockerd, takes both.
        runc = shutil.which("runc") or shutil.which("runc", path="/usr/sbin:/sbin")
        if runc:
            self.base += ["--runtime", runc]

    def load(self, archive):
        return output([*self.base, "load", "-q", "-i", archive], self.env).strip().split()[-1]

    def pull(self, name, options=()):
        """The image's configuration, by digest."""
        return "sha256:" + output([*self.base, "pull", "-q", *options, name], self.env).split()[-1]

    def run(self, image, argv, options=()):
        return output([*self.base, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
                       "--ulimit", "nproc=4096:4096", *options, image, *argv], self.env)


class Containerd:
    """containerd below `root` without its CRI plug-in; ctr pulls by the hosts.toml files in `hosts`."""

    def __init__(self, root, hosts, env):
        # Names of sockets are short.
        self.run_folder = tempfile.mkdtemp(prefix="flense-ctr-", dir="/tmp")
        atexit.register(shutil.rmtree, self.run_folder, ignore_errors=True)
        os.makedirs(root)
        address, config = f"{self.run_folder}/s", f"{root}/config.toml"
        with open(config, "w") as out:
            out.write(f'version = 2\nroot = "{root}/data"\nstate = "{self.run_folder}/state"\n'
                      f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{address}"\n')
        self.hosts, self.env, self.base = hosts, env, ["ctr", "-a", address]
        with open(f"{root}/log", "wb") as log:
            self.process = subprocess.Popen(["containerd", "-c", config], stdout=log, stderr=log, env=env)
        for _ in range(100):
            if subprocess.run([*self.base, "version"], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("containerd does not answer")

    def pull(self, name, options=()):
        """The digest that the name stands for."""
        # Newer ones leave the pull to the daemon, which unpacks for its default snapshotter alone.
        local = ["--local"] if "--local" in output(["ctr", "image", "pull", "--help"]) else []
        output([*self.base, "image", "pull", *local, "--snapshotter", "native", "--hosts-dir", self.hosts, *options, name], self.env)
        rows = [line.split() for line in output([*self.base, "image", "ls"]).splitlines()]
        return next(row[2] for row in rows if row[0] == name)

    def run(self, image, argv):
        return output([*self.base, "run", "--rm", "--snapshotter", "native", image, f"run-{time.monotonic_ns()}", *argv])

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


class Dockerd:
    """A daemon below `root`; `why` says why it does not start here, else it is None."""

    def __init__(self, root):
        os.makedirs(root)
        socket, self.log = os.path.join(root, "d.sock"), os.path.join(root, "d.log")
        self.base = ["/usr/bin/docker", "-H", f"unix://{socket}"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", os.path.join(root, "data"), "--exec-root", os.path.join(root, "exec"), "-H",
                 f"unix://{socket}", "--pidfile", os.path.join(root, "d.pid"), "--iptables=false", "--bridge=none",
                 "--log-level=debug"],
                stdout=log, stderr=log)
        self.why = None
        for _ in range(120):
            if subprocess.run([*self.base, "version"], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.5)
        with open(self.log) as text:
            self.why = text.read()[-300:]

    def load(self, archive):
        return output([*self.base, "load", "-q", "-i", archive]).strip().split()[-1]

    def run(self, image, argv, options=()):
        return output([*self.base, "run", "--rm", "--network", "none", *options, image, *argv])

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def output(command, env=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, env=env)
    if done.returncode != 0:
        raise OSError(f"{command}: status {done.returncode}: {done.stderr.decode()[-1000:]}")
    return done.stdout.decode()


def umoci_unpack(layout, bundle):
    """Unpacks the one image of an OCI layout; returns the root directory."""
    tag = output(["umoci", "list", "--layout", layout]).split()[0]
    output(["umoci", "unpack", "--image", f"{layout}:{tag}", bundle])
    return os.path.join(bundle, "rootfs")


class Registry:
    """docker-registry on a free loopback port, plain HTTP, below `root`. With `htpasswd` (a line of
    that format) it asks for a login; with `tls` it speaks HTTPS, with a certificate of its own; with `delete` it takes
    manifests away when asked to."""

    def __init__(self, root, htpasswd=None, tls=False, delete=False):
        os.makedirs(root)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        config = os.path.join(root, "config.yml")
        with open(config, "w") as out:
            out.write(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}/data\n"
                      f"  delete:\n    enabled: {str(delete).lower()}\n"
                      f"http:\n  addr: {self.address}\n")
            if tls:
                output(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", f"{root}/key.pem", "-out", f"{root}/certificate.pem", "-days", "2",
                        "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"])
                out.write(f"  tls:\n    certificate: {root}/certificate.pem\n    key: {root}/key.pem\n")
            if htpasswd:
                out.write(f"auth:\n  htpasswd:\n    realm: test\n    path: {root}/htpasswd\n")
                with open(os.path.join(root, "htpasswd"), "w") as users:
                    users.write(htpasswd + "\n")
        self.config, self.log = config, os.path.join(root, "log")
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.config], stdout=log, stderr=log)
        for _ in range(100):
            try:
                with socket.create_connection(tuple(self.address.split(":")), 1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("docker-registry does not answer")

    def push(self, source, name):
        output(["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", source, f"docker://{self.address}/{name}"])

    def stop(self):
        self.process.terminate()
        self.process.wait()
