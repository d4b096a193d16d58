"""A real Slurm of one node on loopback, below a folder of its own; no accounting, no systemd."""

import os
import shutil
import socket
import subprocess
import time

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "scontrol", "mungekey")


def missing():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Slurm:
    """`prolog` is a program that slurmd runs before a job; `environment` what the daemons see."""

    def __init__(self, root, prolog=None, environment=None):
        self.root, self.started, self.why = root, [], None
        for name in ("state", "spool", "munge", "log"):
            os.makedirs(f"{root}/{name}")
        for name in ("", "state", "spool", "munge", "log"):
            os.chmod(f"{root}/{name}", 0o755)
        self.env = {**os.environ, "SLURM_CONF": f"{root}/slurm.conf", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                    **(environment or {})}
        host = socket.gethostname()
        lines = [
            "ClusterName=flense", f"SlurmctldHost={host}(127.0.0.1)", "AuthType=auth/munge", "CredType=cred/munge",
            f"AuthInfo=socket={root}/munge/socket", "SlurmUser=root", "SlurmdUser=root",
            f"SlurmctldPort={free_port()}", f"SlurmdPort={free_port()}",
            f"StateSaveLocation={root}/state", f"SlurmdSpoolDir={root}/spool",
            f"SlurmctldPidFile={root}/ctld.pid", f"SlurmdPidFile={root}/slurmd.pid",
            f"SlurmctldLogFile={root}/log/ctld", f"SlurmdLogFile={root}/log/slurmd",
            "ProctrackType=proctrack/pgid", "TaskPlugin=task/none", "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core", "SwitchType=switch/none", "MpiDefault=none", "ReturnToService=2",
            "JobAcctGatherType=jobacct_gather/none", "AccountingStorageType=accounting_storage/none",
            "MailProg=/bin/true", "SchedulerParameters=batch_sched_delay=0,sched_interval=1",
            f"NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=2048 State=UNKNOWN",
            f"PartitionName=main Nodes={host} Default=YES State=UP",
        ]
        if prolog:
            lines += [f"Prolog={prolog}", "PrologFlags=Alloc"]
        with open(f"{root}/slurm.conf", "w") as conf:
            conf.write("\n".join(lines) + "\n")
        subprocess.run(["mungekey", "--create", "--keyfile", f"{root}/munge/key"], check=True, env=self.env)
        self.start("munged", "--foreground", "--force", f"--key-file={root}/munge/key", f"--socket={root}/munge/socket",
                   f"--pid-file={root}/munge/pid", f"--log-file={root}/log/munged", f"--seed-file={root}/munge/seed")
        for _ in range(100):
            if os.path.exists(f"{root}/munge/socket"):
                break
            time.sleep(0.1)
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D")
        self.wait_for("the node to be idle", lambda: "idle" in self.output("sinfo", "-h", "-o", "%t"))

    def start(self, *command):
        with open(f"{self.root}/log/{command[0]}.out", "wb") as log:
            self.started.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))

    def output(self, *command):
        return subprocess.run(command, env=self.env, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout.decode()

    def wait_for(self, what, ready, seconds=90):
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"Slurm: waited {seconds} s for {what}\n{self.logs()}")
            time.sleep(0.2)

    def logs(self):
        text = ""
        for name in sorted(os.listdir(f"{self.root}/log")):
            with open(f"{self.root}/log/{name}", errors="replace") as log:
                text += f"--- {name}\n{log.read()[-1500:]}\n"
        return text

    def submit(self, *arguments, **more):
        """The job's number."""
        done = subprocess.run(["sbatch", "--parsable", *arguments], env={**self.env, **more.pop("env", {})},
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
        if done.returncode != 0:
            raise RuntimeError(done.stdout.decode())
        return done.stdout.decode().strip()

    def tasks(self, job):
        """Each task of the job as the fields of scontrol, once all have ended."""
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL")

        def read():
            lines = self.output("scontrol", "-o", "show", "job", job).splitlines()
            return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        self.wait_for(f"job {job}", lambda: read() and all(task.get("JobState") in ended for task in read()))
        return read()

    def stop(self):
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
