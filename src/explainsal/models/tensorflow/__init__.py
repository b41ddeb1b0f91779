"""Frozen graphs and SavedModels of TensorFlow, read without TensorFlow: only ever as data."""

from explainsal.models.tensorflow.graph import is_tensorflow, read_variables, source_file

__all__ = ["is_tensorflow", "read_variables", "source_file"]
