"""Measures the speed budget beside raw Asterisk in the same run: `python -m bench`, see docs/speed.md."""
