"""HTTP API of `remediation`."""
