"""Figures, drawn from numbers; `explainsal.reporting.run_figures` draws those of a run into files."""
