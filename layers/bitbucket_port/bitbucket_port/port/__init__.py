"""Port's API: entities and blueprints, written in bulk and read one by one."""
