"""How well a fleet finds what is known to be wrong, and alerts gathered into incidents."""
