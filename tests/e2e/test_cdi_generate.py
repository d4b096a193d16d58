#!/usr/bin/env python3
"""flense cdi generate and diff: whole machines against tests/cdi/golden/host-NAME.json, files written
and refused. FLENSE_UPDATE_GOLDEN=1 writes the golden files anew."""

import os
import shutil

import harness
import hosts
import schema

GOLDEN = os.path.join(harness.TOP, "tests/cdi/golden")


class CdiCase(harness.Case):
    def machine(self, name):
        return hosts.make(name, self.path(name))

    def generate(self, root, *options, **more):
        return self.flense("cdi", "generate", "--root", root, *options, **more)


class Machines(CdiCase):
    """Every machine that engines would run containers on."""

    MACHINES = {"h100": (), "a100_mig": (), "rtx4090": (), "laptop": (), "mi300x": (), "mi250x": (), "wsl2": (),
                "jetson": (), "operator": (), "mixed": ("--mode", "amd")}

    def test_golden(self):
        for name, options in self.MACHINES.items():
            with self.subTest(name):
                made = self.generate(self.machine(name), *options)
                path = os.path.join(GOLDEN, f"host-{name}.json")
                if os.environ.get("FLENSE_UPDATE_GOLDEN"):
                    with open(path, "w", encoding="utf-8") as out:
                        out.write(made.out)
                with open(path, encoding="utf-8") as golden:
                    self.assertEqual(made.out, golden.read())
                # Nothing of where the fixture lies.
                self.assertNotIn(self.work, made.out + made.err)

    def test_twice_the_same(self):
        root = self.machine("a100_mig")
        self.assertEqual(self.generate(root).out, self.generate(root).out)

    def test_no_gpu(self):
        failed = self.generate(self.machine("no_gpu"), expect=4)
        self.assertIn("there is no driver of NVIDIA or AMD here", failed.err)

    def test_two_versions(self):
        root = self.machine("mismatch")
        failed = self.generate(root, expect=4)
        self.assertIn("the kernel module is 535.129.03", failed.err)
        self.assertIn("libcuda.so.550.54.15 is 550.54.15", failed.err)
        self.assertIn("libcuda.so.550.54.15", self.generate(root, "--allow-missing").out)

    def test_a_missing_node_is_named(self):
        root = self.machine("h100")
        os.unlink(os.path.join(root, "dev/nvidia-uvm"))
        failed = self.generate(root, expect=4)
        self.assertIn("error: there is no device node /dev/nvidia-uvm", failed.err)
        self.assertIn("nvidia-modprobe -u -c0", failed.err)
        self.assertEqual(failed.out, "")
        made = self.generate(root, "--allow-missing")
        self.assertIn("note: there is no device node /dev/nvidia-uvm", made.err)
        self.assertNotIn('"/dev/nvidia-uvm"', made.out)

    def test_a_list_that_leaves_its_root(self):
        root = self.machine("jetson")
        with open(os.path.join(root, "etc/nvidia-container-runtime/host-files-for-container.d/l4t.csv"), "w",
                  encoding="utf-8") as out:
            out.write("lib, /usr/lib/../../etc/shadow\n")
        self.assertIn("l4t.csv:1", self.generate(root, expect=3).err)


class Options(CdiCase):
    def test_wrong_words(self):
        root = self.machine("h100")
        for options, said in ((("--capabilities", "compute,grafics"), "did you mean graphics?"),
                              (("--with", "infiniband"), "rdma, gdrcopy"), (("--mode", "tegra"), "--mode takes"),
                              (("--vendor", "-x.dev"), "--vendor"), (("--class", "a b"), "--class"),
                              (("--driver-root", "relative"), "--driver-root takes"),
                              (("--library-dir", "/a/../b"), "--library-dir takes"), (("--hooks=some",), "--hooks takes"),
                              (("--ask-driver",), "--ask-driver")):
            with self.subTest(options):
                self.assertIn(said, self.generate(root, *options, expect=2).err)

    def test_names_and_places(self):
        root = self.machine("h100")
        spec = self.generate(root, "--vendor", "flense.dev", "--class", "card", "--library-dir", "/opt/nvidia/lib/",
                             "--capabilities", "compute", "--annotate").json
        self.assertEqual(spec["kind"], "flense.dev/card")
        self.assertEqual(spec["cdiVersion"], "0.6.0")
        self.assertEqual(spec["annotations"], {"flense.dev/driver-version": "535.129.03"})
        places = {os.path.dirname(mount["containerPath"]) for mount in spec["containerEdits"]["mounts"]}
        self.assertEqual(places, {"/opt/nvidia/lib"})

    def test_hooks(self):
        root = self.machine("h100")
        self.assertNotIn("hooks", self.generate(root).out)
        self.assertIn("nvidia-container-toolkit-base", self.generate(self.machine("operator"), "--hooks", expect=4).err)
        names = [hook["args"][2] for hook in self.generate(root, "--hooks").json["containerEdits"]["hooks"]]
        self.assertEqual(names, ["create-symlinks", "enable-cuda-compat", "update-ldcache", "disable-device-node-modification"])
        compat = self.generate(root, "--hooks=compat", "--hook-path", "/opt/nvidia-cdi-hook").json["containerEdits"]["hooks"]
        self.assertEqual([hook["path"] for hook in compat], ["/opt/nvidia-cdi-hook"] * 2)
        self.assertEqual(compat[0]["args"], ["nvidia-cdi-hook", "enable-cuda-compat", "--host-driver-version=535.129.03"])

    def test_mps_directory_of_the_environment(self):
        root = self.machine("h100")
        os.makedirs(os.path.join(root, "srv/pipes"))
        mounts = self.generate(root, env={"CUDA_MPS_PIPE_DIRECTORY": "/srv/pipes"}).json["containerEdits"]["mounts"]
        self.assertIn(("/srv/pipes", "/tmp/nvidia-mps"), [(m["hostPath"], m["containerPath"]) for m in mounts])


class Files(CdiCase):
    def test_written_whole(self):
        root = self.machine("h100")
        out = self.path("specs/new/gpu.json")
        made = self.generate(root, "-o", out)
        self.assertEqual(made.out, "")
        with open(out, encoding="utf-8") as text:
            self.assertEqual(text.read(), self.generate(root).out)
        self.assertEqual(os.listdir(os.path.dirname(out)), ["gpu.json"])
        self.assertEqual(os.stat(out).st_mode & 0o777, 0o644)

    def test_format_by_name(self):
        root = self.machine("h100")
        self.generate(root, "-o", self.path("gpu.yaml"))
        with open(self.path("gpu.yaml"), encoding="utf-8") as text:
            self.assertEqual(text.read(), self.generate(root, "--format", "yaml").out)
        self.generate(root, "-o", self.path("gpu.yml"), expect=2)
        self.generate(root, "-o", self.path("gpu.json"), "--format", "yaml", expect=2)
        self.assertEqual(sorted(name for name in os.listdir(self.work) if "gpu" in name), ["gpu.yaml"])

    def test_two_vendors(self):
        root = self.machine("mixed")
        for options in ((), ("-o", self.path("one.json"))):
            failed = self.generate(root, *options, expect=2)
            self.assertIn("GPUs of two vendors", failed.err)
            self.assertIn("-o DIR/", failed.err)
        self.assertFalse(os.path.exists(self.path("one.json")))
        self.generate(root, "-o", self.path("both/"))
        self.assertEqual(sorted(os.listdir(self.path("both"))), ["amd.com-gpu.json", "nvidia.com-gpu.json"])

    def test_a_specification_of_somebody_else(self):
        root = self.machine("h100")  # nvidia-cdi-refresh was here
        theirs = os.path.join(root, "var/run/cdi/nvidia.yaml")
        ours = os.path.join(root, "etc/cdi/flense.json")
        before = harness.file_digest(theirs)
        for path in (ours, theirs):
            failed = self.generate(root, "-o", path, expect=4)
            self.assertIn("nvidia.yaml defines nvidia.com/gpu=0 already", failed.err)
            self.assertIn("--vendor flense.dev", failed.err)
        self.assertFalse(os.path.exists(ours))
        self.assertEqual(harness.file_digest(theirs), before)
        # Elsewhere, and under another name, nobody is in the way.
        self.generate(root, "-o", self.path("elsewhere.json"))
        self.generate(root, "-o", ours, "--vendor", "flense.dev")
        os.unlink(ours)
        replaced = self.generate(root, "-o", ours, "--replace")
        self.assertIn("nvidia-cdi-refresh", replaced.err)
        self.assertFalse(os.path.exists(theirs))
        self.assertEqual(harness.file_digest(theirs + ".replaced"), before)
        devices = self.flense("cdi", "list", "--root", root).out
        self.assertIn("nvidia.com/gpu=0000:17:00.0", devices)
        # Our own file is written again without a word.
        self.generate(root, "-o", ours)

    def test_in_place_of_theirs(self):
        root = self.machine("h100")
        theirs = os.path.join(root, "var/run/cdi/nvidia.yaml")
        self.generate(root, "-o", theirs, "--replace")
        with open(theirs, encoding="utf-8") as text:
            self.assertEqual(text.read(), self.generate(root, "--format", "yaml").out)


class Diff(CdiCase):
    def diff(self, root, what, *options, expect):
        result = self.flense("cdi", "diff", what, "--root", root, "--json", *options, expect=expect)
        self.assertEqual(schema.complaints(result.json, "flense/cdi-diff/v1"), [])
        return result.json

    def test_same_and_changed(self):
        for name in ("h100", "a100_mig", "mi300x", "wsl2", "jetson", "operator"):
            with self.subTest(name):
                root = self.machine(name)
                spec = self.path(f"{name}.json")
                self.generate(root, "-o", spec)
                self.assertTrue(self.diff(root, spec, expect=0)["same"])

    def test_another_driver_and_a_card_less(self):
        root = self.machine("h100")
        spec = self.path("gpu.json")
        self.generate(root, "-o", spec)
        shutil.rmtree(os.path.join(root, "proc/driver/nvidia/gpus/0000:c1:00.0"))
        shutil.rmtree(os.path.join(root, "sys/bus/pci/devices/0000:c1:00.0"), ignore_errors=True)
        os.unlink(os.path.join(root, "sys/bus/pci/devices/0000:c1:00.0"))
        host = hosts.Host(root)
        for folder, _, names in os.walk(os.path.join(root, hosts.LIB)):
            for name in names:
                if ".so.1" in name or ".so.535" in name:
                    os.unlink(os.path.join(folder, name))
        host.nvidia_driver("550.54.15")
        found = self.diff(root, spec, expect=1)["differences"]
        gone = [one["name"] for one in found if (one["what"], one["how"]) == ("device", "gone")]
        self.assertEqual(gone, ["1", "GPU-00000001-1111-2222-3333-444444444444", "0000:c1:00.0"])
        self.assertIn({"what": "mount", "how": "changed", "name": "/usr/lib64/libcuda.so.1",
                       "was": f"/{hosts.LIB}/libcuda.so.535.129.03", "now": f"/{hosts.LIB}/libcuda.so.550.54.15"}, found)
        self.assertIn({"what": "node", "how": "gone", "device": "all", "name": "/dev/nvidia1", "was": "/dev/nvidia1"}, found)
        text = self.flense("cdi", "diff", spec, "--root", root, expect=1).out
        self.assertIn("libcuda.so.535.129.03", text)

    def test_by_kind(self):
        root = self.machine("rtx4090")
        found = self.diff(root, "nvidia.com/gpu", expect=1)
        self.assertEqual(found["file"], os.path.join(root, "etc/cdi/nvidia.yaml"))
        self.assertIn("no specification of amd.com/gpu",
                      self.flense("cdi", "diff", "amd.com/gpu", "--root", root, expect=4).err)
        self.flense("cdi", "diff", self.path("absent.json"), expect=4)


if __name__ == "__main__":
    harness.main()
