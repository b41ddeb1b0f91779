"""Maps in the format of benchmarks: written so that no work is lost on interruption, and checked before submission."""
