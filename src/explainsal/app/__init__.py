"""The command line: options, building objects from a configuration, records of runs, sweep jobs."""

from explainsal.signals import end_while_importing

end_while_importing()  # the following imports take seconds
