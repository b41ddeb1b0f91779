"""Loggers, Weights & Biases (W&B), and its dashboard."""
