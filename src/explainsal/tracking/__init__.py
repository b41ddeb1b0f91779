"""Loggers, W&B, and the dashboard."""
