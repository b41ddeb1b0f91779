"""Reading TensorFlow's weight files without TensorFlow: frozen graphs, SavedModels, checkpoints; only ever as data."""

from explainsal.models.tensorflow.reading import is_tensorflow, read_variables

__all__ = ["is_tensorflow", "read_variables"]
