"""A run that is asked by workers elsewhere: what they and the driver say to each other, and both their sides."""
