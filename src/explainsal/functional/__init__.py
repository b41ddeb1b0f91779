"""Tensors in, tensors out: the mathematics of the package. Depends on torch alone."""
