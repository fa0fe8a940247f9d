"""A package by file, so that it is found before another's: small-text installs one of this name."""
