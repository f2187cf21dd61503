"""What is made of raw readings before a detector sees them."""
