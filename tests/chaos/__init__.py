"""Random faults over real campaigns: see `python -m tests.chaos --help`."""
