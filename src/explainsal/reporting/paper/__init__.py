"""Tables of the paper, compared with the same rows measured here."""
