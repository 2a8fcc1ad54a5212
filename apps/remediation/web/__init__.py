"""Pages of `remediation`."""
