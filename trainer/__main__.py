"""``python -m trainer ...`` is ``foldwatch train ...``."""

import sys

import foldwatch

if __name__ == "__main__":
    sys.exit(foldwatch.main(["train", *sys.argv[1:]]))
