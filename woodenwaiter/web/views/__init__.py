"""What each view shows: parts, as JSON has them, made of what was read. No socket, no clock."""
