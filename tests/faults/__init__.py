"""Real processes that are killed, stopped and cut off while they work; nothing may be lost or doubled."""
