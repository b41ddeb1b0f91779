"""Readers of the published archives, synthetic scenes, transforms: files on disk -> SaliencySample."""
