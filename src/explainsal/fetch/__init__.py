"""Download, check and unpack published files; interrupted work is resumed."""
