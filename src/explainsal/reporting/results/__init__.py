"""Results of an evaluation: means over images with their intervals, as tables, files and prints."""
