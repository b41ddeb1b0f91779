"""The encoder's ImageNet weights that a training of UNISAL starts from."""

from __future__ import annotations

from pathlib import Path

from explainsal.errors import MissingFilesError
from explainsal.models.unisal_parts import MobileNetV2
from explainsal.models.weights import load_strictly, read_state_dict


def load_encoder(cnn: MobileNetV2, path: str | Path) -> None:
    """Load ``mobilenet_v2.pth.tar`` into the encoder; its classifier of ImageNet's classes is left out.

    Raises:
        MissingFilesError: If it is not there.
        CorruptFileError: If it cannot be read or is of another network.
    """
    if not Path(path).is_file():
        raise MissingFilesError(
            f"no encoder at {Path(path).absolute()}: model.encoder=published fetches the published one"
        )
    state = {name: value for name, value in read_state_dict(path).items() if not name.startswith("classifier.")}
    load_strictly(cnn, state, path, "UNISAL's encoder, MobileNetV2")
