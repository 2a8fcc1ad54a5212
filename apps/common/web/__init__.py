"""Pages that belong to no noun: signing in, errors, the component kit."""
