"""Where alerts go: one kind a file, found by discovery."""
