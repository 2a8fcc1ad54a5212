"""The demonstration: music made on the spot, recorded-style metadata answers, and the small services around them."""
