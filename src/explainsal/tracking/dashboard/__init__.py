"""The same content as the report, for Weights & Biases: what a run logs, and the saved dashboard that shows it."""
