"""Tables of the paper, measured."""
