"""Stand-ins for the outside systems: stateful HTTP servers on loopback that refuse what the real ones refuse."""
