"""Write the packaged network from a checkpoint: python experiments/networks/package.py best.ckpt card.json.

card.json contains information that the checkpoint lacks: network, licence, trained_on, unseen_splits, recipe, scores.
"""

import json
import sys
from pathlib import Path

from explainsal.models import load_network
from explainsal.models.packaged import package_network, packaged_file


def main(checkpoint: str, card: str) -> None:
    content = json.loads(Path(card).read_text())
    print(json.dumps(package_network(load_network(checkpoint), packaged_file("cmrnet_eyes"), content), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
