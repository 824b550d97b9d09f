"""What a conversation is made of: its script or the user that a model plays, and what its checks read."""
