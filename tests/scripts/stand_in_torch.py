"""Stands in for torch, which the environment does not have: anything may be called, loaders are empty."""

import sys
from unittest.mock import MagicMock

torch = MagicMock()
sys.modules |= {"torch": torch, "torch.utils": torch.utils, "torch.utils.data": torch.utils.data}
