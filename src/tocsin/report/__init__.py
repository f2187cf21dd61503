"""Pictures, drawn by Matplotlib, which is loaded here alone."""
