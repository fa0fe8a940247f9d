"""Acquisition functions: arrays in, positions out. Nothing here reads, writes, or knows of a campaign."""
