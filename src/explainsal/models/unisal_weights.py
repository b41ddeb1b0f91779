"""ImageNet weights of UNISAL's encoder, the start of training."""

from __future__ import annotations

from pathlib import Path

from explainsal.errors import MissingFilesError
from explainsal.models.unisal_parts import MobileNetV2
from explainsal.models.weights import load_strictly, read_state_dict


def load_encoder(cnn: MobileNetV2, path: str | Path) -> None:
    """Load ``mobilenet_v2.pth.tar`` into the encoder, without its ImageNet classifier.

    Raises:
        MissingFilesError: If the file does not exist.
        CorruptFileError: If it cannot be read or belongs to another network.
    """
    if not Path(path).is_file():
        raise MissingFilesError(
            f"no encoder at {Path(path).absolute()}: model.encoder=published fetches the published one"
        )
    state = {name: value for name, value in read_state_dict(path).items() if not name.startswith("classifier.")}
    load_strictly(cnn, state, path, "UNISAL's encoder, MobileNetV2")
