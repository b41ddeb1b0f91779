"""Measure the tables of the paper."""
