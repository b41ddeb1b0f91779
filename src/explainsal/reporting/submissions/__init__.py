"""Maps in the form that benchmarks take: written so that an interruption costs nothing, and checked as they would."""
