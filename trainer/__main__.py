"""``python -m trainer ...`` is ``foldwatch train ...``, the one import of the application from below it."""

import sys

if __name__ == "__main__":
    from foldwatch.main import main

    sys.exit(main(["train", *sys.argv[1:]]))
