"""Batch endpoints of providers: their files, their lines, and how they are asked."""
