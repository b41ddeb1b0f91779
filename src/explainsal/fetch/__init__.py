"""Files from the net: download, check and unpack what others published, so that an interruption costs nothing."""
