"""The arithmetic: compiled loops, arrays in and arrays out; nothing here knows what an asset or a file is."""
