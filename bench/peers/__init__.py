"""Other makers' tools, measured beside ours, each run by an environment of its own."""
