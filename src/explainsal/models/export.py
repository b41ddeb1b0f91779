"""Export of a network to a file for other programs: ONNX, or a ``torch.export`` program.

The file holds the whole model with its pre- and postprocessing (pixels in, map out), or the bare network.
docs/decisions/0017 lists what can be exported at which sizes, and why.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from explainsal.errors import UserError
from explainsal.fetch.writing import replaced_file
from explainsal.models.saliency_model import SaliencyModel

Format = Literal["onnx", "torch_export"]
SUFFIXES: dict[str, str] = {"onnx": ".onnx", "torch_export": ".pt2"}
INPUT, OUTPUT = "images", "saliency"
TOLERANCE = 1e-4  # largest accepted difference, relative to a map's largest value
_DESCRIPTION = "explainsal.json"  # entry of a .pt2 file with what an ONNX file stores as metadata
_LEAST = 16  # least side of an image in pixels, if the file accepts any size
_EXAMPLE = (96, 128)  # size of the traced images, if the file accepts any size


def export_model(
    model: SaliencyModel,
    path: str | Path,
    *,
    format: Format = "onnx",
    size: tuple[int, int] | None = None,
    bare: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> float:
    """Write a model to a file, and run the file to verify that its maps are the same.

    The file takes images ``(B, 3, H, W)``, RGB, float32 in [0, 1], with any batch size, and returns maps
    ``(B, 1, H, W)``. The file of a bare network takes the network's input and returns the network's output.

    Args:
        model: Model on the CPU. It is not changed.
        path: Path of the file. An existing file is replaced only after the new one is complete and verified.
        format: ``"onnx"``, or ``"torch_export"`` for ``torch.export.load``.
        size: Height and width of the images that the file accepts. None: any size.
        bare: Leave out pre- and postprocessing. H and W must then be multiples of the network's `grid`.
        metadata: Additional entries, stored with the description of input and output.

    Returns:
        The largest difference between the file's maps and the model's maps, relative to the largest value.

    Raises:
        UserError: If the format is unknown or its packages are missing, if no size is given for a model that depends on
            the size of the images, if the bare network does not take the given size, or if the file's maps differ.
    """
    check_format(format)
    grid = model.grid if bare else 1
    _check_size(model.eval(), size, bare)
    made_of = _Bare(model) if bare else model
    batches = _batches(size, model.input_size, grid)
    example, *trials = (_prepared(model, batch) for batch in batches) if bare else batches
    with torch.no_grad():
        made_of(example)  # fill cached tables with numbers rather than with the symbols of a trace
    program = _traced(made_of, example, grid=None if size is not None else grid)
    described = {"input": _input(model, size, bare), "output": _output(model, bare)}
    description = {**described, "model": model.name, "bare": bare, **(metadata or {})}
    with replaced_file(path) as temporary:
        (_save_onnx if format == "onnx" else _save_program)(program, temporary, description)
        difference = max(_difference(made_of, run_exported(temporary, some), some) for some in trials)
        if not difference <= TOLERANCE:
            raise UserError(
                f"the exported {model.name} gives other maps: they differ by {difference:.1e} of the largest value, "
                f"more than {TOLERANCE:.0e}. Nothing was written; try another version of torch or the other format"
            )
    return difference


def check_format(format: str) -> None:
    """Raise a UserError if a file format is unknown."""
    if format not in SUFFIXES:
        raise UserError(f"format={format}: choose one of {', '.join(SUFFIXES)}")


def _check_size(model: SaliencyModel, size: tuple[int, int] | None, bare: bool) -> None:
    if size is None and not (bare or model.any_size):
        raise UserError(
            f"{model.name} computes its pre-processing from the size of the images, so an exported file takes one "
            f"size: give size=[HEIGHT,WIDTH]; or bare=true for the network alone, which takes any multiples of "
            f"{model.grid}"
        )
    if bare and size is not None and any(side % model.grid for side in size):
        raise UserError(f"size=[{size[0]},{size[1]}]: the bare {model.name} takes multiples of {model.grid}")


class _Bare(nn.Module):
    """Network of a model, called as the model calls it."""

    def __init__(self, model: SaliencyModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Map the network's input ``(B, 3, H, W)`` to its output ``(B, 1, H, W)``."""
        return self.model.run(images)


def run_exported(path: str | Path, images: Tensor) -> Tensor:
    """Run an exported file on the CPU: images ``(B, 3, H, W)`` in [0, 1] to maps ``(B, 1, H, W)``.

    The file of a bare network takes the network's input and returns its output.

    Raises:
        UserError: If onnxruntime is not installed, or the file takes images of another size.
    """
    if Path(path).suffix != SUFFIXES["onnx"]:
        with torch.no_grad():
            maps: Tensor = torch.export.load(path).module()(images)
        return maps
    _need("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0].shape[2:]
    if any(isinstance(side, int) and side != given for side, given in zip(taken, images.shape[2:], strict=True)):
        raise UserError(f"{path} takes images of {taken[0]} x {taken[1]} pixels, got {tuple(images.shape[2:])}")
    return torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])


def exported_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata of an exported file."""
    if Path(path).suffix != SUFFIXES["onnx"]:
        found = {_DESCRIPTION: ""}
        torch.export.load(path, extra_files=found)
        description: dict[str, Any] = json.loads(found[_DESCRIPTION])
        return description
    _need("onnx")
    import onnx

    loaded = onnx.load(str(path), load_external_data=False)
    return {entry.key: json.loads(entry.value) for entry in loaded.metadata_props if entry.key != "pkg.torch"}


def _traced(model: nn.Module, images: Tensor, *, grid: int | None) -> torch.export.ExportedProgram:
    """Trace a program for images whose sides are multiples of `grid`; None: for the size of these images."""
    sides = {}
    for axis, name in enumerate(("height", "width"), 2):
        if grid is not None:
            count = torch.export.Dim(name, min=max(2, _LEAST // grid))
            sides[axis] = count if grid == 1 else grid * count
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(
            model,
            (images,),
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch"), **sides}},
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,  # check the sizes that pooling requires at run time
        )


def _save_onnx(program: torch.export.ExportedProgram, path: Path, description: Mapping[str, Any]) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        _need(package)
    import onnx

    # hide messages on missing torchvision and on optimizations
    for name in ("torch.onnx._internal.exporter._registration", "onnx_ir", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(program, (), dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT])
    if made is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    graph = made.model_proto
    onnx.helper.set_model_props(graph, {key: json.dumps(value) for key, value in description.items()})
    onnx.save(graph, str(path))


def _save_program(program: torch.export.ExportedProgram, path: Path, description: Mapping[str, Any]) -> None:
    torch.export.save(program, path, extra_files={_DESCRIPTION: json.dumps(dict(description))})


def _batches(size: tuple[int, int] | None, own: tuple[int, int] | None, grid: int) -> list[Tensor]:
    """Return images to trace, and test images with other batch sizes, other sizes, and the network's own size."""
    sizes = [size] * 3 if size else [_EXAMPLE, _EXAMPLE, (131, 77), *([own] if own else [])]
    sizes = [(-(-height // grid) * grid, -(-width // grid) * grid) for height, width in sizes]
    draw = torch.Generator().manual_seed(0)
    return [torch.rand(count, 3, *some, generator=draw) for count, some in zip((2, 1, 3, 1), sizes, strict=False)]


def _prepared(model: SaliencyModel, images: Tensor) -> Tensor:
    """Preprocess images for the bare network without resizing them."""
    own, model.input_size = model.input_size, (int(images.shape[-2]), int(images.shape[-1]))
    try:
        return model.preprocess(images)
    finally:
        model.input_size = own


def _difference(model: nn.Module, exported: Tensor, images: Tensor) -> float:
    with torch.no_grad():
        expected = model(images)
    largest = expected.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
    return float((exported - expected).abs().amax() / largest)


def _input(model: SaliencyModel, size: tuple[int, int] | None, bare: bool) -> str:
    sides = "H, W" if size is None else f"{size[0]}, {size[1]}"
    multiples = f"; H and W multiples of {model.grid}" if bare and size is None and model.grid > 1 else ""
    return f"{INPUT}: (B, 3, {sides}), {model.takes if bare else SaliencyModel.takes}{multiples}"


def _output(model: SaliencyModel, bare: bool) -> str:
    densities = "natural logarithms of densities" if bare and model.output == "log_density" else "densities of sum 1"
    return f"{OUTPUT}: (B, 1, H, W), {'non-negative, of any scale' if model.output == 'map' else densities}"


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise UserError(f"ONNX needs the package {package}: pip install 'explainsal[export]', or format=torch_export")
