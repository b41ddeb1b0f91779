"""Inner loops on a CPU, compiled by numba at first use; `dispatch` decides when they run and divides their work.

Every loop has an equivalent in plain PyTorch next to its caller. Tests compare with this reference, and every other
device uses it. Numba is imported when the first loop runs.
"""
