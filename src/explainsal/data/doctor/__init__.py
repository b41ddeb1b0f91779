"""Find faults in a data set by examining all of it; other commands do not need this."""
