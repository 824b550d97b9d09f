"""Datasets: files, inline examples or plug-ins -> Examples with stable ids, in a deterministic selection."""

from insideLLMs.datasets.dataset import Dataset, DatasetIndex, open_dataset

__all__ = ["Dataset", "DatasetIndex", "open_dataset"]
