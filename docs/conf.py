"""Configure Sphinx, which builds the documentation from Markdown chapters and docstrings."""

import os
import tempfile
from importlib.metadata import version as installed_version

# Importing Airflow writes its configuration into AIRFLOW_HOME, so do not use the user's.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-docs-")

project = "airflow-provider-ismart"
author = "the contributors to airflow-provider-ismart"
copyright = author
release = installed_version(project)
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_logo = "_static/logo.svg"
