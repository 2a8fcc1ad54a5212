"""What the frame of every page shows of the library."""
