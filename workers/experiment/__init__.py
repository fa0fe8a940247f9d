"""`postil experiment`: what more labels, cleaner ones, weights or an order would bring, on labels one has."""
