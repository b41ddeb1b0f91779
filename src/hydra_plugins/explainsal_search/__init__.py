"""Hydra finds its plugins in packages of `hydra_plugins`: this one is the search of `-m +sweep=search`."""
