"""What people need to know, in a key-value store that answers at once."""
