# SPDX-License-Identifier: Apache-2.0
"""An hvisord with a simulated hypervisor and one configured zone."""

import os
import subprocess
import tempfile
import time

ZONE = """{ "name": "guest1", "zone_id": 1, "cpus": [2],
  "memory_regions": [
    { "type": "ram", "physical_start": "0x50000000", "virtual_start": "0x50000000", "size": "0x1000000" },
    { "type": "virtio", "physical_start": "0xa003800", "virtual_start": "0xa003800", "size": "0x200" },
    { "type": "virtio", "physical_start": "0xa003c00", "virtual_start": "0xa003c00", "size": "0x200" } ],
  "interrupts": [76, 78], "ivc_configs": [],
  "kernel_filepath": "null", "kernel_load_paddr": "0x50400000",
  "dtb_filepath": "null", "dtb_load_paddr": "0x50000000", "entry_point": "0x50400000",
  "arch_config": { "gic_version": "v3", "gicd_base": "0x8000000", "gicd_size": "0x10000",
    "gicr_base": "0x80a0000", "gicr_size": "0xf60000", "gits_base": "0x8080000", "gits_size": "0x20000" },
  "pci_config": [] }"""
VIRTIO = """{ "zones": [ { "id": 1,
  "memory_region": [ { "zone0_ipa": "0x50000000", "zonex_ipa": "0x50000000", "size": "0x1000000" } ],
  "devices": [ { "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76, "status": "enable" },
    { "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk.img", "status": "enable" } ] } ] }"""

# The same with a network device.
NET_ZONE = ZONE.replace('"interrupts": [76', """
  "interrupts": [72, 76""").replace('''    { "type": "virtio", "physical_start": "0xa003800"''', """    { "type": "virtio", "physical_start": "0xa003000", "virtual_start": "0xa003000", "size": "0x200" },
    { "type": "virtio", "physical_start": "0xa003800\"""")
NET_VIRTIO = VIRTIO.replace('"devices": [', """"devices": [
    { "type": "net", "addr": "0xa003000", "len": "0x200", "irq": 72, "tap": "zone1", "status": "enable",
      "mac": ["0x02", "0x00", "0x00", "0x00", "0x01", "0x0a"] },""")



def with_gpu(zone, virtio, displays='[{}, { "width": 640, "height": 480 }]'):
    """The same with headless displays."""
    return (zone.replace('"interrupts": [', '"interrupts": [74, ').replace('"memory_regions": [', """"memory_regions": [
    { "type": "virtio", "physical_start": "0xa003400", "virtual_start": "0xa003400", "size": "0x200" },"""),
            virtio.replace('"devices": [', f""""devices": [
    {{ "type": "gpu", "addr": "0xa003400", "len": "0x200", "irq": 74, "backend": "headless", "displays": {displays},
      "status": "enable" }},"""))


def with_inputs(zone, virtio):
    """The same with a keyboard and a tablet."""
    regions = "".join(f"""
    {{ "type": "virtio", "physical_start": "{address}", "virtual_start": "{address}", "size": "0x200" }},"""
                      for address in ("0xa003200", "0xa003600"))
    devices = "".join(f"""
    {{ "type": "input", "addr": "{address}", "len": "0x200", "irq": 75, "model": "{model}", "status": "enable" }},"""
                      for address, model in (("0xa003200", "keyboard"), ("0xa003600", "tablet")))
    return (zone.replace('"interrupts": [', '"interrupts": [75, ').replace(
        '"memory_regions": [', f'"memory_regions": [{regions}'),
            virtio.replace('"devices": [', f'"devices": [{devices}'))


def can_have_taps():
    """Whether a daemon with NETWORK before its command can make a tap here."""
    return os.geteuid() == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


# A network of the daemon's own.
NETWORK = ("unshare", "--net")


def wait_until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


class Daemon:
    """Runs on the session bus for the length of a with statement, and must end in order."""

    zone = "guest1"

    def __init__(self, hvisord, *options, environment=None, sanitizer="", zone=ZONE, virtio=VIRTIO, prefix=()):
        self._command = [*prefix, hvisord, "--simulated", "--bus=session", *options]
        # Libraries are not built with the sanitizer: what they still read of freed memory must at least be wrong.
        wanted = [os.environ.get("ASAN_OPTIONS"), "max_free_fill_size=65536", sanitizer]
        self._environment = os.environ | {"ASAN_OPTIONS": ":".join(filter(None, wanted))} | (environment or {})
        self._files = {f"{self.zone}.json": zone, f"{self.zone}.virtio.json": virtio, "disk.img": "\0" * 65536}

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        for name, text in self._files.items():
            with open(f"{self._folder.name}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        self._process = subprocess.Popen([*self._command, f"--config-dir={self._folder.name}"], env=self._environment)
        self.pid = self._process.pid
        wait_until(self._has_name, "hvisord did not take its name")
        return self

    @staticmethod
    def _has_name():
        names = subprocess.run(["busctl", "--user", "list", "--acquired"], check=True, capture_output=True, text=True)
        return "org.syswonder.hvisor1" in names.stdout

    def files(self):
        """Names of what is in the folder of its configuration."""
        return set(os.listdir(self._folder.name))

    def wait(self):
        """Until it has ended."""
        return self._process.wait(60)

    def __exit__(self, *_):
        self._process.terminate()
        status = self.wait()
        self._folder.cleanup()
        if status != 0:
            raise RuntimeError(f"hvisord ended with status {status}")


class Monitor:
    """`hvisorctl monitor` on the session bus for the length of a with statement."""

    def __init__(self, hvisorctl):
        self._command = [hvisorctl, "--bus=session", "monitor"]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def events(self):
        """End it, and tell what it has said."""
        self._process.terminate()
        return self._process.stdout.read()

    def __exit__(self, *_):
        self._process.terminate()
        self._process.stdout.close()
        self._process.wait()
