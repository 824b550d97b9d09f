"""Who did it: in what two experiments differ, and which of it made examples fail."""
