"""What can be wrong with a data set, found by looking at all of it; the commands never need this."""
