"""Write the packaged standalone model: python experiments/standalone/package.py standalone.safetensors card.json.

card.json contains information that the file lacks: network, licence, trained_on, unseen_splits, recipe, scores.
"""

import json
import shutil
import sys
from pathlib import Path

from explainsal.models.packaged import packaged_file, write_packaged_card


def main(file: str, card: str) -> None:
    packaged = packaged_file("standalone")
    shutil.copyfile(file, packaged)
    print(json.dumps(write_packaged_card(packaged, json.loads(Path(card).read_text())), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
