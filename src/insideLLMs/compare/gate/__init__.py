"""What decides on a comparison: policies read the evidence, and whatever is in doubt is never green."""
