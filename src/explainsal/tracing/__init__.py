"""Layers of any network as data."""
