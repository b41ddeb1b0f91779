"""Workflows behind the commands, callable from Python."""
