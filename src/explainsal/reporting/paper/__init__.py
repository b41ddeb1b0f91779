"""Tables of the paper beside the same rows measured here."""
