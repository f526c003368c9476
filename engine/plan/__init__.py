"""What was asked, when each start is due, and who does which part."""
