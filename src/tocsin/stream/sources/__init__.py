"""Where readings come from: one kind a file, found by discovery."""
