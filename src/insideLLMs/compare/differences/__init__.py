"""In what two sides differ: their texts word by word, what identifies them, and the tools that they have."""
