"""Tables that standards print."""
