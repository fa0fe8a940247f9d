"""Synthetic texts: generators that make them, filters that refuse them."""
