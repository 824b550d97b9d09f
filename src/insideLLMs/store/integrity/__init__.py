"""What shows that a run is whole, and who signed it; proofs of single lines; and what became of those that differ."""
