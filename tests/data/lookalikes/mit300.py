"""MIT300 as published: BenchmarkIMAGES with its folder of example maps."""

from __future__ import annotations

from pathlib import Path

from tests.data.lookalikes.pictures import write_picture


def write_mit300(root: Path, count: int = 11) -> None:
    """i1 ... i<count>, portrait and landscape, beside maps that look like images."""
    folder = root / "BenchmarkIMAGES"
    for number in range(1, count + 1):
        write_picture(folder / f"i{number}.jpg", (30, 40) if number % 3 else (40, 28), number)
        write_picture(folder / "SM" / f"i{number}_SaliencyMap.jpg", (30, 40), gray=True)
        write_picture(folder / "SM" / f"i{number}.jpg", (30, 40), gray=True)
    write_picture(folder / "readme_figure.jpg", (30, 40))
    write_picture(root / "__MACOSX" / "BenchmarkIMAGES" / "i1.jpg", (30, 40))
