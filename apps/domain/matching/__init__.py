"""Which release are these tracks? Distances with named penalties, an assignment of tracks, a choice among editions. No row and no path in its values."""
