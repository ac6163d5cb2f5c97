"""Intellicall: a click-to-call telephony platform on Asterisk."""

__version__ = "0.1.0"
