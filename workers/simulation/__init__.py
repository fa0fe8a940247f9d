"""`postil simulate`: labeled files replayed through the code a campaign uses."""
