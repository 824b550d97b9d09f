"""What shows that a run is whole, who signed it, and which of its lines differ; proofs of single lines."""
