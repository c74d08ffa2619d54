"""``python -m foldwatch``."""

import sys

from foldwatch.main import main

if __name__ == "__main__":
    sys.exit(main())
