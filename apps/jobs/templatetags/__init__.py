"""What pages show of manifests."""
