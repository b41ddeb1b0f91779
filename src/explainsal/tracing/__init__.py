"""The layers of any network, as data."""
