"""The API's view of this app."""
