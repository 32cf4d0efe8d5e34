"""The machine and the versions, for the head of the table; without any name of the machine."""

import importlib.metadata
import platform
import re
import subprocess
from functools import cache
from pathlib import Path

# As /proc/cpuinfo spells them.
TOLD_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")
PACKAGES = ("onnxruntime", "openvino", "nncf", "torch", "timm", "onnx", "numpy")
GLIBC = re.compile(r"^(linux-vdso|ld-linux|libc|libm|libpthread|libdl|librt|libgcc_s|libstdc\+\+)\b")


@cache
def cpu_facts() -> dict[str, str]:
    """Of the first CPU."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        facts[key.strip()] = value.strip()
    return facts


def cpu_flags() -> set[str]:
    return set(cpu_facts().get("flags", "").split())


def has_vnni() -> bool:
    """Whether bytes are multiplied without saturating sums of 16 bits."""
    return bool(cpu_flags() & {"avx512_vnni", "avx_vnni"})


def vitq_facts(program: str) -> dict[str, str]:
    """What `vitq info` says, by its first words."""
    lines = subprocess.run([program, "info"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {key: value.strip() for key, _, value in (line.partition(" ") for line in lines)}


def describe(program: str) -> dict[str, str]:
    facts, flags, own = cpu_facts(), cpu_flags(), vitq_facts(program)
    return {
        "CPU": f"{facts.get('model name', 'unknown')} (family {facts.get('cpu family', '?')}, "
        f"model {facts.get('model', '?')})",
        "flags": ", ".join(flag for flag in TOLD_FLAGS if flag in flags),
        "vitq": f"{own.get('vitq', '?')}, oneDNN {own.get('oneDNN', '?')}, ISA {own.get('ISA', '?')}",
        "Python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }


def package_bytes(package: str, seen: set[str] | None = None) -> int:
    """Of the installed files of a package and of what it needs, extras aside."""
    seen = set() if seen is None else seen
    name = re.sub(r"[-_.]+", "-", package).lower()
    if name in seen:
        return 0
    seen.add(name)
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return 0  # left out on purpose, as torchvision is
    total = sum(path.stat().st_size for file in found.files or [] if (path := Path(str(file.locate()))).is_file())
    for requirement in found.requires or []:
        if "extra ==" not in requirement and 'sys_platform == "win32"' not in requirement:
            total += package_bytes(re.split(r"[ ;<>=!~(\[]", requirement, maxsplit=1)[0], seen)
    return total


def program_bytes(program: str) -> int:
    """Of the program and the shared libraries it needs beside those of every Debian system."""
    lines = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.splitlines()
    total = Path(program).stat().st_size
    for line in lines:
        name, _, rest = line.strip().partition(" => ")
        if rest and not GLIBC.match(name):
            total += Path(rest.split(" (")[0]).stat().st_size
    return total
