"""One verb, one file: its options, and one call into the rooms below."""
