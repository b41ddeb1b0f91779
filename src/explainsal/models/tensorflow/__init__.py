"""Reader for TensorFlow's frozen graphs and SavedModels. It reads them as data and does not need TensorFlow."""

from explainsal.models.tensorflow.graph import is_tensorflow, read_variables, source_file

__all__ = ["is_tensorflow", "read_variables", "source_file"]
