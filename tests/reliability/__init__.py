"""What must hold whatever happens: random days, broken rows that are found, causes with their consequences, terms."""
