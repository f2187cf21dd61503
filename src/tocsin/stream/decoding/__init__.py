"""Payloads to columns: one format a file, found by discovery."""
