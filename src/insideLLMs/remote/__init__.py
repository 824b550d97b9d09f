"""What lies in an object store: URLs, the objects behind them, and copies of them on this machine."""
