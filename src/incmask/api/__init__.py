"""The same jobs as the commands, from Python: what the commands themselves call."""
