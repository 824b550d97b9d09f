"""One run by itself: its summary, its gate, and its subjects side by side."""
