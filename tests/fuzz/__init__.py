"""Bad input without end: see `python -m tests.fuzz --help`."""
