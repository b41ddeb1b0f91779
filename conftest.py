"""Doctests need every module of src imported: all but the kernels that need Triton, where it is missing."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["src/explainsal/functional/triton_kernels.py"]
