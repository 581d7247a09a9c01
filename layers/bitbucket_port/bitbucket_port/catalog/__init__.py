"""What we know of each source object, which entities it owns, and how a reading becomes the catalog's state."""
