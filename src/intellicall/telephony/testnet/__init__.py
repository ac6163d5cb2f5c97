"""The test network: a sandbox carrier on loopback with real SIP, real RTP and documented magic numbers."""
