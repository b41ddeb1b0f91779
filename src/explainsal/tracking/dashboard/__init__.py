"""Report content for Weights & Biases: the data that a run logs, and the saved dashboard that shows them."""
