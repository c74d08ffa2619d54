"""How Sphinx builds the documentation: ``make docs``. What comes from the code is in from_code."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
# telemetry.keras needs nothing of it but the base class, and loading it takes TensorFlow along.
sys.modules["keras"] = cast(
    "ModuleType", SimpleNamespace(callbacks=SimpleNamespace(Callback=object))
)

project = "foldwatch"
release = metadata.version("foldwatch")
html_title = f"foldwatch {release}"
html_theme = "furo"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["narrow.css"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "from_code",
]
exclude_patterns = ["_build"]
highlight_language = "text"
smartquotes = False  # they would make one dash of an option's two
default_role = "code"  # a docstring's single backticks name code
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

linkcheck_ignore = [r"http://(127\.0\.0\.1|address)\b"]
