"""Inner loops on a CPU, compiled by numba at their first use; `dispatch` says when they run and shares them out.

Every loop has a twin in plain PyTorch beside its caller: the reference that tests compare with, and the path of every
other device. Numba is imported with the first loop that runs, not before.
"""
