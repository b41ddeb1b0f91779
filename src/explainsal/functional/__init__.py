"""The mathematics of the package: functions from tensors to tensors that depend on torch alone."""
