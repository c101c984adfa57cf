"""An aarch64 Python without a board: a small arm64 Debian and aarch64 wheels in a cache folder, run by QEMU.

Nothing needs administrator rights and nothing outside the cache changes; a change of what is wanted makes a new
folder. The C library and Python are Debian 12's, because their emulation by Debian 12's QEMU 7.2 is what was tried.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PLUGIN_SOURCE = Path(__file__).with_name("count_instructions.c")
NCNN, PNNX = "ncnn==1.0.20261020", "pnnx==20261020"
_SUITE, _KEYRING = "bookworm", "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEBIAN = [
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1", "libstdc++6"),
    *("libgomp1", "zlib1g", "libexpat1", "libffi8", "libssl3", "libbz2-1.0", "liblzma5"),
]
_PLATFORMS = ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64"]
_COMMANDS = {
    "qemu-aarch64": "apt install qemu-user",
    "gcc": "apt install gcc",
    "apt-get": "use a Debian or Ubuntu machine",
    "dpkg": "use a Debian or Ubuntu machine",
}


class SetUpError(Exception):
    """A step of the set-up failed; the message says which and what to do."""


def wheels() -> list[str]:
    """What the emulated Python gets: this environment's TVM, and ncnn."""
    tvm = [f"{name}=={version(name)}" for name in ("apache-tvm", "apache-tvm-ffi")]
    return [*tvm, "numpy", "ml_dtypes", "typing_extensions", "psutil", "cloudpickle", NCNN]


def prepare() -> Path:
    """The folder with `root`, `site`, `pnnx` and `plugin.so`; made when it is not there.

    Raises `SetUpError` when a program is missing or a download fails.
    """
    for command, remedy in _COMMANDS.items():
        if shutil.which(command) is None:
            raise SetUpError(f"{command} is missing: {remedy}")
    wanted = [_SUITE, *_DEBIAN, *wheels(), PNNX, PLUGIN_SOURCE.read_text()]
    key = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench" / "aarch64"
    folder = base / key
    if folder.exists():
        return folder
    print(f"downloading an arm64 Python, TVM and ncnn (about 170 MB, once) to {folder}", file=sys.stderr)
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as name:
        made = Path(name, "made")
        made.mkdir()
        _unpack_debian(Path(name), made / "root")
        _install(wheels(), made / "site", aarch64=True)
        _install([PNNX], made / "pnnx", aarch64=False)
        # pip does not keep the executable bit of a data file, and this binary needs nothing of pnnx's Python.
        (made / "pnnx/pnnx/pnnx").chmod(0o755)
        _run("gcc", "-shared", "-fPIC", "-O2", "-o", str(made / "plugin.so"), str(PLUGIN_SOURCE))
        try:
            made.rename(folder)
        except OSError:
            # Another process was faster, and its folder serves as well.
            if not folder.exists():
                raise
    return folder


def run(script: str, *arguments: str, counts: Path, caches: bool = False, timeout: float = 3600) -> list[list[int]]:
    """Run a Python script as a Cortex-A72 would, one thread; returns the plugin's lines, a list of integers each.

    Raises `SetUpError` with the script's last lines when it fails.
    """
    folder = prepare()
    plugin = f"{folder / 'plugin.so'},out={counts},caches={'on' if caches else 'off'}"
    command = ["qemu-aarch64", "-cpu", "cortex-a72", "-plugin", plugin, "-L", str(folder / "root")]
    # -P and -s: nothing of the host's Python may be found.
    command += [str(folder / "root/usr/bin/python3.11"), "-sP", script, *arguments]
    threads = dict.fromkeys(("TVM_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder / "site"), **threads}
    _run(*command, environment=environment, timeout=timeout)
    return [[int(value) for value in line.split()] for line in counts.read_text().splitlines()]


def _unpack_debian(work: Path, root: Path) -> None:
    """Download and unpack arm64 packages with an apt whose lists, status and sources are all in `work`."""
    for part in ("state/lists/partial", "cache/archives/partial", "debs"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    signed = f"signed-by={_KEYRING}"
    (work / "sources.list").write_text(f"deb [arch=arm64 {signed}] http://deb.debian.org/debian {_SUITE} main\n")
    settings = {
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", "-qq", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]
    _run(*apt, "update")
    _run(*apt, "download", *_DEBIAN, folder=work / "debs")
    for package in sorted((work / "debs").glob("*.deb")):
        _run("dpkg", "-x", str(package), str(root))


def _install(requirements: list[str], folder: Path, *, aarch64: bool) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:", "--no-compile"]
    if aarch64:
        command += ["--implementation", "cp", "--python-version", "3.11"]
        command += [part for platform in _PLATFORMS for part in ("--platform", platform)]
    _run(*command, "--disable-pip-version-check", "--target", str(folder), *requirements)


def _run(
    *command: str, folder: Path | None = None, environment: dict[str, str] | None = None, timeout: float = 1800
) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise SetUpError(f"{' '.join(command[:3])} … failed with status {done.returncode}:\n{said}")
