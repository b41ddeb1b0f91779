"""Figures drawn from numbers; `explainsal.reporting.run_figures` writes those of a run to files."""
