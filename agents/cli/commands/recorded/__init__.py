"""Commands over readings that are recorded, or series that are labelled."""
