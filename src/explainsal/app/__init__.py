"""The command line: options, building objects from a configuration, records of runs, sweep jobs."""
