"""One module per revision; the first is v0001."""
