"""The compiled kernels as a library: built once from `native.c` by the machine's own C compiler, then remembered."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from explainsal.errors import UserError

_SOURCES = ("native.c", "native_blocks.h", "native_maps.h")
_FLAGS = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=c11",
    "-shared",
    "-fPIC",
)
_X86_FLAGS = ("-mprefer-vector-width=512",)  # compilers use half of AVX-512 unless asked


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The library, from the cache folder where it is there for this processor.

    Raises:
        UserError: If there is no C compiler, or it fails.
    """
    sources = [Path(__file__).with_name(name) for name in _SOURCES]
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if compiler is None:
        raise UserError("compile=True needs a C compiler (cc, gcc or clang), and none is on the PATH: install one, "
                        "or leave compile=False, which computes the same more slowly")  # fmt: skip
    key = hashlib.sha256(b"".join(s.read_bytes() for s in sources) + f"{compiler}{_flags()}{_processor()}".encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "explainsal"
    file = cache / f"native-{key.hexdigest()[:16]}.so"
    if not file.is_file():
        _build(compiler, sources[0], file)
    return ctypes.CDLL(str(file))


def _build(compiler: str, source: Path, file: Path) -> None:
    """Compile under another name first: several processes may want the library at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        made = Path(folder) / file.name
        done = subprocess.run(
            [compiler, *_flags(), str(source), "-o", str(made), "-lm"], capture_output=True, text=True
        )
        if done.returncode:
            raise UserError(f"compile=True: {compiler} failed on {source}; leave compile=False.\n{done.stderr.strip()}")
        made.replace(file)


def _flags() -> tuple[str, ...]:
    return _FLAGS + (_X86_FLAGS if platform.machine() in ("x86_64", "AMD64") else ())


def _processor() -> str:
    """What the code is built for: a home folder may be shared by machines of different instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor() + platform.node()
    return platform.machine() + next((line for line in lines if line.startswith(("flags", "Features"))), "")
