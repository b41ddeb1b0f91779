"""The search of `-m +sweep=search`, in `hydra_plugins`, where Hydra looks for plugins."""
